// Package core decides. Given what is stored, what is asked and the time, it says which events follow; given an event, it
// says how the rows change. It does nothing else: no I/O, no clock, no randomness, no context, no goroutine, so that every
// decision can be tested as a table and repeated from the log.
//
// The way of a command: a decide function ([RegisterWebhook], [CreateCandidate], [Publish], [Judge], ...) reads a [State] and returns a
// [Decision]; [State.Fold] applies the decision's events to the rows; [State.Changes] hands the changed rows to the writer, which
// commits them together with the events in one step. Folding the whole log again gives the same rows, byte for byte.
//
// What may have to be forgotten (payloads, profiles, responses, sealed secrets) is never in an event. It lies in the vault and is
// named from events by id and salted digest, see [NewVaultItem].
//
// Start reading at events.go for what can happen, decide_*.go and judge.go for the decisions, fold.go for the rows.
package core
