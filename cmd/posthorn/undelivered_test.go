package main

import (
	"testing"
	"time"

	"posthorn/engine"
	"posthorn/engine/core"
)

// TestWhatNext: for every kind and reason that which can be done and nothing that would be refused, in words that a shell takes.
func TestWhatNext(t *testing.T) {
	t.Parallel()
	const retry, match = "posthorn call retry call_1 --company 'a b'", "posthorn replay --match --company 'a b' --event-type x.y # once a webhook asks for it"
	const enable = "posthorn webhook enable wh_1 --company 'a b' && " + retry
	at := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
	for _, one := range []struct {
		kind   engine.UndeliveredKind
		reason string
		want   string
	}{
		{engine.UndeliveredFailed, string(core.ScheduleUsedUp), retry},
		{engine.UndeliveredFailed, string(core.TooOld), retry},
		{engine.UndeliveredFailed, string(core.ResourceMissing), ""},
		{engine.UndeliveredFailed, string(core.WebhookGone), enable},
		{engine.UndeliveredSkipped, string(core.WebhookIsOff), enable},
		{engine.UndeliveredSkipped, string(core.FilterFailed), retry},
		{engine.UndeliveredSkipped, string(core.WebhookIsDeleted), match},
		{engine.UndeliveredCancelled, string(core.WebhookIsOff), enable},
		{engine.UndeliveredCancelled, string(core.ErasedPayload), ""},
		{engine.UndeliveredCancelled, string(core.CancelledByHand), retry},
		{engine.UndeliveredUnmatched, engine.NobodyAsked, match},
		{engine.UndeliveredWaiting, engine.WaitsForResume, "posthorn webhook resume wh_1 --company 'a b'"},
		{engine.UndeliveredWaiting, engine.WaitsForBreaker, "it is tried by itself, 2026-01-31T08:00:00.000Z"},
		{engine.UndeliveredWaiting, string(core.WebhookIsOff), ""},
	} {
		u := engine.Undelivered{Kind: one.kind, Reason: one.reason, Company: "a b", Webhook: "wh_1", Call: "call_1", EventType: "x.y", NextAt: &at}
		if got := whatNext(u); got != one.want {
			t.Errorf("%s, %s: %q, want %q", one.kind, one.reason, got, one.want)
		}
	}
}
