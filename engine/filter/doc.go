// Package filter judges the content filter of a webhook: a CEL expression over a message, which says whether the webhook is
// called. The filters are written by strangers and the messages too, so what a filter may cost is bounded in every direction:
// what it may say (check.go), what each step costs (steps.go, bounded.go, pattern.go), and
// what all of them may cost (cost.go).
//
// Read [Check] first, then [Filters.Match]. docs/filters.md is for who writes filters.
package filter
