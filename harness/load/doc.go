// Package load puts a sender of webhooks under load from both ends: it triggers what the sender is to tell, at a steady rate, and is
// the receiver that the sender tells it to. So it knows of every message when it should have been sent, whether it was accepted, when
// it arrived, how often, and whether its signature was right.
//
// [Run] does all of it: it starts receivers, registers ephemeral webhooks, triggers, waits for what is still to come, compares, and
// removes what it registered. The sender is a [Target], which is a few functions: [V1] and [Seed] are a Posthorn server, [HTTP] is
// any other that a [Spec] describes. [Faults] say how the receivers misbehave, an [SLO] what is demanded of the [Result].
//
// The load is open: requests are due by the clock, however slow the answers are, and every latency is counted from when its request
// was due. A sender that stalls is charged for all that should have been sent meanwhile (coordinated omission cannot hide).
// [Open] and [Closed] are the generators alone.
//
// Like package harness it is the outside world: it speaks HTTP and shares no code with the engine. Read next: run.go for the phases,
// ledger.go for what is noted, and package harness/load/report for what is made of a result.
package load
