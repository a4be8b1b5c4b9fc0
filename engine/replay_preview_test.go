package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/engine"
	"posthorn/engine/core"
)

// TestReplayPreviewIsWhatItSends draws histories and replays: where nothing changes between, the preview and the replay are the same.
func TestReplayPreviewIsWhatItSends(t *testing.T) {
	t.Parallel()
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) { previewed(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func previewed(t *testing.T, random *rand.Rand) {
	t.Helper()
	b := open(t, func(o *engine.Options) { o.NoBreaker = true }) // calls would wait for it, and the replay for them
	defer b.close()
	from := time.Now()
	webhooks := eventfulPast(b, random)
	for range 3 {
		n := engine.NewReplay{Mode: pick(random, core.ReplaySame, core.ReplayMatch), Rate: core.MaxReplayRate}
		n.Query.State = pick(random, "", "", core.Failed, core.Succeeded, core.Skipped)
		n.Query.Webhook = pick(random, "", "", webhooks[random.IntN(len(webhooks))])
		if _, err := b.Webhook(t.Context(), "42", n.Query.Webhook); err != nil {
			n.Query.Webhook = "" // it was deleted
		}
		n.Query.EventType = pick(random, "", "", "invoice.paid")
		if random.IntN(2) == 0 {
			n.Query.Since = core.StampOf(from.Add(time.Duration(random.IntN(20)) * time.Second))
		}
		want := b.preview(n)
		id := b.replay(n).ID
		pass(time.Hour)
		r := b.replayed(id)
		if diff := cmp.Diff(want.Counts, r.Counts); diff != "" || r.State != core.ReplayIsDone {
			t.Fatalf("%+v is %s and differs from its preview (-preview +replay):\n%s", n, r.State, diff)
		}
		expected := map[string]int{}
		for _, w := range want.Webhooks {
			if w.Calls > 0 {
				expected[w.Webhook] = w.Calls
			}
		}
		if diff := cmp.Diff(expected, b.madeBy(id)); diff != "" {
			t.Fatalf("%+v called otherwise than its preview says (-preview +calls):\n%s", n, diff)
		}
	}
}

func pick[T any](random *rand.Rand, of ...T) T { return of[random.IntN(len(of))] }

// eventfulPast makes a history with all that a replay may meet, and returns the webhooks.
func eventfulPast(b *bench, random *rand.Rand) (webhooks []string) {
	b.t.Helper()
	for range 12 {
		if len(webhooks) < 2 || random.IntN(3) == 0 {
			w := b.register(engine.NewWebhook{
				EventTypes: pick(random, []string{"*"}, []string{"invoice.*"}, []string{"other.type"}), Schedule: []time.Duration{},
				Filter: pick(random, "", "", `data.n > 4`, `data.missing == 1`),
			})
			webhooks = append(webhooks, w.ID)
		}
		b.answer(pick(random, http.StatusOK, http.StatusInternalServerError))
		for range 1 + random.IntN(8) {
			b.publish(fmt.Sprintf(`{"n":%d}`, random.IntN(9)))
		}
		if random.IntN(3) == 0 {
			b.candidate()
		}
		pass(time.Second)
		for _, c := range b.calls() {
			if random.IntN(10) == 0 {
				_, _ = b.RetryCall(context.Background(), "42", c.ID) // refused where the webhook is off
			}
		}
		one := webhooks[random.IntN(len(webhooks))]
		switch random.IntN(6) {
		case 0:
			_, _ = b.DisableWebhook(context.Background(), "42", one)
		case 1:
			_, _ = b.EnableWebhook(context.Background(), "42", one)
		case 2:
			if random.IntN(3) == 0 {
				_ = b.DeleteWebhook(context.Background(), "42", one)
			}
		}
		pass(time.Second)
	}
	return webhooks
}
