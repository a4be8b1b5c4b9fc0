package engine_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

func TestRetryMakesANewCallOfTheSameMessage(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		b := openOn(t, disk, caller, func(o *engine.Options) { o.NoBreaker = true })
		b.invoices(engine.NewWebhook{Schedule: []time.Duration{}})
		b.answer(http.StatusInternalServerError)
		for range 20 { // so that the search in the log has something to pass over
			b.publish(`1`)
			pass(time.Second)
		}
		b.close()
		b = openOn(t, disk, caller)
		defer b.close()
		b.answer(http.StatusOK)
		for _, old := range b.calls() {
			again, err := b.Retry(t.Context(), old.ID)
			if err != nil {
				t.Fatal(err)
			}
			if again.Message != old.Message || again.RetryOf != old.ID || again.ID == old.ID || again.State != "pending" {
				t.Errorf("retry of %+v = %+v", old, again)
			}
		}
		pass(time.Second)
		b.wantStates(map[string]int{"failed: schedule used up": 20, "succeeded": 20})
		for _, id := range []string{"call_01ARZ3NDEKTSV4RRFFQ69G5FAV", "call_", "", "nonsense", "msg_01ARZ3NDEKTSV4RRFFQ69G5FAV"} {
			_, err := b.Retry(t.Context(), id)
			wantErr(t, err, ports.ErrNotFound)
		}
		_, err := b.RetryCall(t.Context(), "43", b.calls()[0].ID)
		wantErr(t, err, ports.ErrNotFound)
	})
}

func TestRetryIsRefusedWhileItWouldMakeNoCall(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		w := b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Hour}})
		b.answer(http.StatusInternalServerError)
		b.publish(`1`)
		pass(time.Second)
		id := b.calls()[0].ID
		_, err := b.Retry(t.Context(), id)
		wantErr(t, err, ports.ErrConflict) // open
		if _, err := b.DisableWebhook(t.Context(), "42", w.ID); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		_, err = b.Retry(t.Context(), id)
		wantErr(t, err, ports.ErrConflict) // disabled
		if err := b.DeleteWebhook(t.Context(), "42", w.ID); err != nil {
			t.Fatal(err)
		}
		_, err = b.Retry(t.Context(), id)
		wantErr(t, err, ports.ErrConflict) // deleted
	})
}

func TestCancelEndsAWaitingCall(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Hour}})
		b.answer(http.StatusInternalServerError)
		b.publish(`1`)
		pass(time.Second)
		id := b.calls()[0].ID
		if c, err := b.Cancel(t.Context(), id); err != nil || c.State != "cancelled" || c.NextAt != nil {
			t.Errorf("cancel = %+v, %v", c, err)
		}
		_, err := b.Cancel(t.Context(), id)
		wantErr(t, err, ports.ErrConflict)
		pass(24 * time.Hour)
		b.wantStates(map[string]int{"cancelled: cancelled by hand": 1})
		if n := len(b.caller.Requests()); n != 1 {
			t.Errorf("%d attempts, want 1: none after the cancel", n)
		}
	})
}

// The receiver has taken it, so the call has succeeded, whatever was decided meanwhile.
func TestLateSuccessAfterCancelCounts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code int
		want string
	}{{http.StatusOK, "succeeded"}, {http.StatusInternalServerError, "cancelled: cancelled by hand"}, {http.StatusGone, "cancelled: cancelled by hand"}} {
		t.Run(http.StatusText(test.code), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := open(t)
				defer b.close()
				w := b.invoices(engine.NewWebhook{})
				reply := status(test.code)
				reply.After = 5 * time.Second
				b.caller.Script(receiver, reply)
				b.publish(`1`)
				pass(time.Second)
				if _, err := b.Cancel(context.Background(), b.calls()[0].ID); err != nil {
					t.Fatal(err)
				}
				pass(time.Minute)
				b.wantStates(map[string]int{test.want: 1})
				d := b.detail(b.calls()[0].ID)
				if len(d.Attempts) != 1 || d.Attempts[0].Status != test.code {
					t.Errorf("attempts = %+v, want the late one recorded", d.Attempts)
				}
				if now, err := b.Webhook(context.Background(), "42", w.ID); err != nil || !now.Enabled {
					t.Errorf("webhook = %+v, %v; want it enabled", now, err)
				}
			})
		})
	}
}
