package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// A moment is what was answered live at a time: the webhook, nil where there was none, and every call in full, the newest first.
type moment struct {
	what    string
	at      time.Time
	webhook *engine.Webhook
	calls   []engine.CallDetail
}

// A chronicle keeps what was answered before and after each step of a story.
type chronicle struct {
	*bench

	hook    string
	moments []moment
}

// note asks now; a second passes before and after, so that times are apart.
func (c *chronicle) note(what string) {
	c.t.Helper()
	pass(time.Second)
	m := moment{what: what, at: time.Now()}
	if w, err := c.Webhook(context.Background(), "42", c.hook); err == nil {
		m.webhook = settled(w)
	}
	for _, call := range c.calls() {
		m.calls = append(m.calls, c.detail(call.ID))
	}
	c.moments = append(c.moments, m)
	pass(time.Second)
}

// settled is a webhook without what comes and goes by itself.
func settled(w engine.Webhook) *engine.Webhook {
	w.Breaker, w.Failing = nil, nil
	return &w
}

// step does something, and notes the time before it and after it.
func (c *chronicle) step(what string, do func(context.Context) error) {
	c.t.Helper()
	c.note("before " + what)
	if err := do(engine.WithActor(context.Background(), engine.Actor{Key: "key_" + strings.ReplaceAll(what, " ", "_")})); err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
	c.note("after " + what)
}

// Secrets that no answer may show.
const (
	pastHeader  = "Bearer marker-of-a-header"
	laterHeader = "Bearer marker-of-a-later-header"
)

// chronicled tells a story with everything that may change in a webhook, and calls in all their states.
func chronicled(b *bench) *chronicle {
	b.answer(http.StatusInternalServerError)
	c := &chronicle{bench: b}
	publish := func(context.Context) error { b.publish(`1`); return nil }
	switching := func(do func(context.Context, string, string) (engine.Webhook, error)) func(context.Context) error {
		return func(ctx context.Context) error { return second(do(ctx, "42", c.hook)) }
	}
	c.step("register", func(ctx context.Context) error {
		w, err := b.RegisterWebhook(ctx, engine.NewWebhook{
			Company: "42", URL: receiver, EventTypes: []string{"invoice.*"}, Schedule: []time.Duration{time.Minute, time.Hour},
			Headers: map[string]string{"Authorization": pastHeader, "X-Plain": "shown"}, Secret: givenSecret(1),
		})
		c.hook = w.ID
		return err
	})
	c.step("publish", publish)
	c.step("update", func(ctx context.Context) error {
		return second(b.UpdateWebhook(ctx, engine.WebhookEdit{Company: "42", ID: c.hook, URL: new(receiver + "/new"), Rate: new(5.0)}))
	})
	pass(time.Minute) // the second attempt
	c.step("rotate", func(ctx context.Context) error {
		return second(b.RotateSecret(ctx, engine.Rotation{Company: "42", ID: c.hook, Secret: givenSecret(2)}))
	})
	c.step("change headers", func(ctx context.Context) error {
		headers := map[string]string{"Authorization": laterHeader, "X-Plain": "too"}
		return second(b.UpdateWebhook(ctx, engine.WebhookEdit{Company: "42", ID: c.hook, Headers: headers}))
	})
	c.step("pause", switching(b.PauseWebhook))
	c.step("publish paused", publish)
	c.step("cancel", func(ctx context.Context) error { return second(b.CancelCall(ctx, "42", b.calls()[0].ID)) })
	c.step("resume", switching(b.ResumeWebhook))
	pass(2 * time.Hour) // the first call fails
	b.answer(http.StatusOK)
	c.step("retry", func(ctx context.Context) error { return second(b.RetryCall(ctx, "42", b.calls()[1].ID)) })
	c.step("replay", func(ctx context.Context) error {
		return second(b.StartReplay(ctx, engine.NewReplay{Company: "42", Mode: core.ReplaySame, Query: engine.ReplayQuery{State: core.Cancelled}}))
	})
	c.step("disable", switching(b.DisableWebhook))
	c.step("publish disabled", publish)
	c.step("enable", switching(b.EnableWebhook))
	c.step("delete", func(ctx context.Context) error { return b.DeleteWebhook(ctx, "42", c.hook) })
	return c
}

// TestPastIsWhatWasAnswered: at every time the webhook, each call and the lists of calls are what they were answered as then.
func TestPastIsWhatWasAnswered(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		c := chronicled(openOn(t, disk, portstest.NewScriptedCaller()))
		defer c.close()
		if n := len(c.calls()); n != 5 {
			t.Fatalf("the story made %d calls, want 5", n)
		}
		for _, m := range c.moments {
			c.wantWebhook(m)
			c.wantCalls(m)
			c.wantLists(m)
		}
		c.wantPrivate()
	})
}

func (c *chronicle) wantWebhook(m moment) {
	c.t.Helper()
	w, err := c.WebhookAsOf(context.Background(), "42", c.hook, m.at)
	switch {
	case m.webhook == nil:
		wantErr(c.t, err, ports.ErrNotFound)
	case err != nil:
		c.t.Errorf("%s: %v", m.what, err)
	default:
		if diff := cmp.Diff(*m.webhook, w); diff != "" {
			c.t.Errorf("%s the webhook differs (-then +asOf):\n%s", m.what, diff)
		}
	}
	_, err = c.WebhookAsOf(context.Background(), "43", c.hook, m.at)
	wantErr(c.t, err, ports.ErrNotFound)
}

// wantCalls compares each call of today as it was then, in full.
func (c *chronicle) wantCalls(m moment) {
	c.t.Helper()
	for _, today := range c.calls() {
		got, err := c.CallAsOf(context.Background(), "42", today.ID, m.at)
		i := slices.IndexFunc(m.calls, func(then engine.CallDetail) bool { return then.ID == today.ID })
		if i < 0 {
			wantErr(c.t, err, ports.ErrNotFound)
			continue
		}
		if diff := cmp.Diff(m.calls[i], got); err != nil || diff != "" {
			c.t.Errorf("%s call %d differs, %v (-then +asOf):\n%s", m.what, i, err, diff)
		}
	}
}

func (c *chronicle) wantLists(m moment) {
	c.t.Helper()
	for _, state := range append(core.CallStates(), "") {
		var want []engine.Call
		for _, then := range m.calls {
			if state == "" || then.State == state {
				want = append(want, then.Call)
			}
		}
		var got []engine.Call
		for call, err := range c.Calls(context.Background(), engine.CallQuery{Company: "42", State: state, AsOf: m.at, Limit: 2}) {
			if err != nil {
				c.t.Fatal(err)
			}
			got = append(got, call)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			c.t.Errorf("%s the list of %q differs (-then +asOf):\n%s", m.what, state, diff)
		}
	}
}

// wantPrivate fails the test where the past shows what the present does not.
func (c *chronicle) wantPrivate() {
	c.t.Helper()
	page, err := c.WebhookTimeline(context.Background(), engine.TimelineQuery{Company: "42", Webhook: c.hook})
	shown := []any{page}
	for _, m := range c.moments {
		if w, err := c.WebhookAsOf(context.Background(), "42", c.hook, m.at); err == nil {
			shown = append(shown, w)
		}
	}
	text, errs := json.Marshal(shown)
	if err := errors.Join(err, errs); err != nil {
		c.t.Fatal(err)
	}
	for _, private := range []string{pastHeader, laterHeader, givenSecret(1), givenSecret(2), strings.TrimPrefix(givenSecret(1), "whsec_")} {
		if strings.Contains(string(text), private) {
			c.t.Errorf("the past shows %q", private)
		}
	}
}

// TestTimelineNamesEachChangeOnce: with what each field was and became, and who asked.
func TestTimelineNamesEachChangeOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		c := chronicled(open(t))
		defer c.close()
		q := engine.TimelineQuery{Company: "42", Webhook: c.hook}
		all, err := c.WebhookTimeline(t.Context(), q)
		if err != nil || all.Next != "" {
			t.Fatalf("next %q, %v", all.Next, err)
		}
		var got []string
		for _, entry := range all.Items {
			line := entry.Type + " by " + entry.By.Key + ":"
			for _, f := range entry.Changes {
				if entry.Type != "WebhookRegistered" || f.Field == "url" || f.Field == "enabled" {
					line += " " + f.Field + " " + string(f.From) + ">" + string(f.To)
				}
			}
			got = append(got, line)
		}
		until := all.Items[3].At.Add(core.DefaultOverlap).UTC().Format(time.RFC3339Nano)
		want := []string{
			`WebhookRegistered by key_register: enabled >true url >"https://receiver.example/hook"`,
			`WebhookHeadersSet by key_register: headers >{"Authorization":"********","X-Plain":"shown"}`,
			`WebhookUpdated by key_update: rate >5 url "https://receiver.example/hook">"https://receiver.example/hook/new"`,
			`WebhookSecretRotated by key_rotate: oldSecrets >[{"until":"` + until + `"}]`,
			`WebhookHeadersSet by key_change_headers: headers {"Authorization":"********","X-Plain":"shown"}>{"Authorization":"********","X-Plain":"too"}`,
			`WebhookPaused by key_pause: paused >true`,
			`WebhookResumed by key_resume: paused true>`,
			`WebhookDisabled by key_disable: disabledReason >"disabled by hand" enabled true>false`,
			`WebhookEnabled by key_enable: disabledReason "disabled by hand"> enabled false>true`,
			`WebhookDeleted by key_delete:`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the timeline differs (-want +got):\n%s", diff)
		}
		c.wantTimelinePages(q, all.Items)
		_, err = c.WebhookTimeline(t.Context(), engine.TimelineQuery{Company: "43", Webhook: c.hook})
		wantErr(t, err, ports.ErrNotFound)
		_, err = c.WebhookTimeline(t.Context(), engine.TimelineQuery{Company: "42", Webhook: c.hook, Cursor: "x"})
		if _, refused := errors.AsType[*engine.InvalidError](err); !refused {
			t.Errorf("a cursor that there is not: %v", err)
		}
	})
}

func (c *chronicle) wantTimelinePages(q engine.TimelineQuery, want []engine.TimelineEntry) {
	c.t.Helper()
	for q.Limit = 1; q.Limit <= len(want); q.Limit++ {
		var got []engine.TimelineEntry
		for q.Cursor = ""; len(got) == 0 || q.Cursor != ""; {
			page, err := c.WebhookTimeline(context.Background(), q)
			if err != nil {
				c.t.Fatal(err)
			}
			got = append(got, page.Items...)
			q.Cursor = page.Next
		}
		if diff := cmp.Diff(want, got); diff != "" {
			c.t.Errorf("%d at a time the timeline differs (-want +got):\n%s", q.Limit, diff)
		}
	}
}

// TestPastThatIsNoMore: a time to come is now, and what was erased is erased in the past too.
func TestPastThatIsNoMore(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		w := b.invoices(engine.NewWebhook{})
		b.parrot(http.StatusOK, 0)
		m := b.publish(`"` + marker + `"`)
		pass(time.Second)
		then, call := time.Now(), b.calls()[0].ID
		pass(time.Second)
		next := time.Now().Add(time.Hour)
		if got, err := b.WebhookAsOf(t.Context(), "42", w.ID, next); err != nil || cmp.Diff(w.Webhook, got) != "" {
			t.Errorf("the webhook of tomorrow is %+v, %v", got, err)
		}
		if got, err := b.CallAsOf(t.Context(), "42", call, next); err != nil || cmp.Diff(b.detail(call), got) != "" {
			t.Errorf("the call of tomorrow is %+v, %v", got, err)
		}
		if got, err := b.CallAsOf(t.Context(), "42", call, then); err != nil || !strings.Contains(got.Attempts[0].Response, marker) {
			t.Errorf("before the erasure: %+v, %v", got, err)
		}
		b.eraseMessage(m.ID)
		got, err := b.CallAsOf(t.Context(), "42", call, then)
		if text, _ := json.Marshal(got); err != nil || !got.Erased || strings.Contains(string(text), marker) {
			t.Errorf("erased, the past shows %s, %v", text, err)
		}
	})
}
