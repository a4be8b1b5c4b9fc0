package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
)

func (b *bench) replay(n engine.NewReplay) engine.Replay {
	b.t.Helper()
	n.Company = "42"
	r, err := b.StartReplay(context.Background(), n)
	if err != nil {
		b.t.Fatalf("start replay: %v", err)
	}
	return r
}

func (b *bench) preview(n engine.NewReplay) engine.ReplayPreview {
	b.t.Helper()
	n.Company = "42"
	p, err := b.PreviewReplay(context.Background(), n)
	if err != nil {
		b.t.Fatalf("preview: %v", err)
	}
	return p
}

func (b *bench) replayed(id string) engine.Replay {
	b.t.Helper()
	r, err := b.Replay(context.Background(), "42", id)
	if err != nil {
		b.t.Fatalf("replay: %v", err)
	}
	return r
}

// madeBy counts the calls of a replay by webhook, and fails the test where a message was sent to a webhook twice.
func (b *bench) madeBy(replay string) map[string]int {
	b.t.Helper()
	made, seen := map[string]int{}, map[[2]string]bool{}
	for _, c := range b.calls() {
		if c.Replay != replay {
			continue
		}
		pair := [2]string{c.Message, c.Webhook}
		if seen[pair] {
			b.t.Errorf("message %s was sent to webhook %s twice by one replay", c.Message, c.Webhook)
		}
		seen[pair] = true
		made[c.Webhook]++
	}
	return made
}

func TestReplaySendsTheFailedCallsAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		failing := b.invoices(engine.NewWebhook{Schedule: []time.Duration{}})
		off := b.invoices(engine.NewWebhook{Schedule: []time.Duration{}})
		b.answer(http.StatusInternalServerError)
		b.publishMany(5)
		pass(time.Second)
		b.answer(http.StatusOK)
		b.publishMany(3)
		pass(time.Second)
		if _, err := b.DisableWebhook(t.Context(), "42", off.ID); err != nil {
			t.Fatal(err)
		}
		n := engine.NewReplay{Mode: core.ReplaySame, Query: engine.ReplayQuery{State: core.Failed}}
		want := core.ReplayCounts{Found: 10, Calls: 5, Left: map[core.Reason]int{core.WebhookIsOff: 5}}
		if diff := cmp.Diff(want, b.preview(n).Counts); diff != "" {
			t.Errorf("the preview differs (-want +got):\n%s", diff)
		}
		id := b.replay(n).ID
		pass(time.Minute)
		r := b.replayed(id)
		if diff := cmp.Diff(want, r.Counts); diff != "" || r.State != core.ReplayIsDone || r.Progress.Succeeded != 5 || r.Progress.Pending != 0 {
			t.Errorf("the replay ended as %+v (-want +got):\n%s", r, diff)
		}
		if diff := cmp.Diff(map[string]int{failing.ID: 5}, b.madeBy(id)); diff != "" {
			t.Errorf("called otherwise (-want +got):\n%s", diff)
		}
		// Asked again, nothing is left to send: what failed has been delivered since.
		want = core.ReplayCounts{Found: 10, Left: map[core.Reason]int{core.WebhookIsOff: 5, core.AlreadyDelivered: 5}}
		if diff := cmp.Diff(want, b.preview(n).Counts); diff != "" {
			t.Errorf("after it the preview differs (-want +got):\n%s", diff)
		}
	})
}

// TestReplayMatchesNewWebhooks: a webhook that is registered late gets what it missed, once, and only what it asks for.
func TestReplayMatchesNewWebhooks(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		for i := range 4 { // nobody asks
			b.publish(fmt.Sprintf(`{"amount":%d}`, i))
		}
		old := b.invoices(engine.NewWebhook{})
		for i := range 6 {
			b.publish(fmt.Sprintf(`{"amount":%d}`, i))
		}
		b.candidate()
		pass(time.Second)
		late := b.invoices(engine.NewWebhook{Filter: `data.amount >= 2`})
		n := engine.NewReplay{Mode: core.ReplayMatch}
		want := []engine.ReplayedWebhook{
			{Webhook: old.ID, ReplayCounts: core.ReplayCounts{
				Calls: 4, Newly: 4, Left: map[core.Reason]int{core.AlreadyDelivered: 6, core.NotAskedFor: 1},
			}},
			{Webhook: late.ID, ReplayCounts: core.ReplayCounts{
				Calls: 6, Newly: 6, Left: map[core.Reason]int{core.FilterDiffers: 4, core.NotAskedFor: 1},
			}},
		}
		if diff := cmp.Diff(want, b.preview(n).Webhooks); diff != "" {
			t.Errorf("the preview differs (-want +got):\n%s", diff)
		}
		alone := n
		alone.Query.Webhook = late.ID
		if diff := cmp.Diff(want[1:], b.preview(alone).Webhooks); diff != "" {
			t.Errorf("the preview of one webhook differs (-want +got):\n%s", diff)
		}
		id := b.replay(n).ID
		pass(time.Minute)
		if r := b.replayed(id); r.State != core.ReplayIsDone || r.Counts.Found != 11 || r.Counts.Calls != 10 || r.Progress.Succeeded != 10 {
			t.Errorf("the replay ended as %+v", r)
		}
		if diff := cmp.Diff(map[string]int{old.ID: 4, late.ID: 6}, b.madeBy(id)); diff != "" {
			t.Errorf("called otherwise (-want +got):\n%s", diff)
		}
		if p := b.preview(n); p.Counts.Calls != 0 {
			t.Errorf("after it a replay would send again: %+v", p)
		}
	})
}

// TestReplayKeepsItsPace: it requests calls at its rate, and not beyond a few that wait.
func TestReplayKeepsItsPace(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		w := b.invoices(engine.NewWebhook{})
		b.answer(http.StatusOK)
		b.publishMany(300)
		pass(time.Minute)
		n := engine.NewReplay{Mode: core.ReplaySame, Rate: 10}
		id := b.replay(n).ID
		pass(10 * time.Second)
		if made := b.madeBy(id)[w.ID]; made < 95 || made > 105 {
			t.Errorf("after 10 s %d calls were made at 10 a second", made)
		}
		if _, err := b.PauseReplay(t.Context(), "42", id); err != nil {
			t.Fatal(err)
		}
		at := b.madeBy(id)[w.ID]
		pass(time.Minute)
		if made := b.madeBy(id)[w.ID]; made != at {
			t.Errorf("paused, it went on from %d to %d calls", at, made)
		}
		_, err := b.StartReplay(t.Context(), engine.NewReplay{Company: "42", Mode: core.ReplaySame})
		wantErr(t, err, ports.ErrConflict)
		if _, err := b.PauseWebhook(t.Context(), "42", w.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := b.ResumeReplay(t.Context(), "42", id); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if r := b.replayed(id); r.Progress.Waiting != core.StepCalls || r.State != core.ReplayIsRunning {
			t.Errorf("to a webhook that is paused: %+v, want %d calls that wait", r, core.StepCalls)
		}
		if r, err := b.CancelReplay(t.Context(), "42", id); err != nil || r.State != core.ReplayIsCancelled {
			t.Errorf("cancelled: %+v, %v", r, err)
		}
		if _, err := b.ResumeWebhook(t.Context(), "42", w.ID); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		r := b.replayed(id)
		if r.Progress.Succeeded != r.Counts.Calls || r.Counts.Calls != b.madeBy(id)[w.ID] || r.Progress.Pending != 0 {
			t.Errorf("after its cancellation: %+v, want all its calls to have succeeded", r)
		}
		_, err = b.ResumeReplay(t.Context(), "42", id)
		wantErr(t, err, ports.ErrConflict)
	})
}

// TestReplayCoversThePastAlone: what comes after its start is no part of it, its own calls least of all.
func TestReplayCoversThePastAlone(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.invoices(engine.NewWebhook{})
		b.answer(http.StatusOK)
		b.publishMany(20)
		pass(time.Minute)
		n := engine.NewReplay{Mode: core.ReplaySame, Rate: 10, IdempotencyKey: "once"}
		id := b.replay(n).ID
		if again := b.replay(n).ID; again != id {
			t.Errorf("asked again with the same key it is %s, was %s", again, id)
		}
		for range 20 {
			b.publishMany(1)
			pass(time.Second / 10)
		}
		pass(time.Minute)
		if r := b.replayed(id); r.Counts.Found != 20 || r.Counts.Calls != 20 || r.State != core.ReplayIsDone {
			t.Errorf("it covered %+v, want the 20 calls of before", r)
		}
		all, err := b.Replays(t.Context(), engine.ListQuery{Company: "42"})
		if err != nil || !slices.ContainsFunc(all.Items, func(r engine.Replay) bool { return r.ID == id }) {
			t.Errorf("the list of replays is %+v, %v", all, err)
		}
		_, err = b.Replay(t.Context(), "43", id)
		wantErr(t, err, ports.ErrNotFound)
	})
}

// TestReplayOfALargePlan: of more webhooks than one commit plans, each gets the message once, in steps.
func TestReplayOfALargePlan(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		const webhooks = core.PlanChunk + 2*core.StepCalls
		b.many(webhooks)
		b.answer(http.StatusInternalServerError)
		for _, w := range b.hooks() {
			b.update(engine.WebhookEdit{Company: "42", ID: w, Schedule: []time.Duration{}})
		}
		b.publish(`1`)
		pass(time.Hour)
		b.answer(http.StatusOK)
		n := engine.NewReplay{Mode: core.ReplayMatch, Query: engine.ReplayQuery{State: core.Failed}}
		if p := b.preview(n); p.Counts.Found != 1 || p.Counts.Calls != webhooks || p.Counts.Newly != 0 || len(p.Webhooks) != webhooks {
			t.Errorf("the preview is %+v, want %d calls of one message", p.Counts, webhooks)
		}
		id := b.replay(n).ID
		pass(time.Hour)
		if r := b.replayed(id); r.Counts.Calls != webhooks || r.Progress.Succeeded != webhooks || len(b.madeBy(id)) != webhooks {
			t.Errorf("the replay ended as %+v", r)
		}
	})
}

func (b *bench) hooks() (ids []string) {
	b.t.Helper()
	q := engine.ListQuery{Company: "42"}
	for {
		page, err := b.Webhooks(b.t.Context(), q)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, w := range page.Items {
			ids = append(ids, w.ID)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return ids
		}
	}
}
