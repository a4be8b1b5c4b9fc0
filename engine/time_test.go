package engine_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// starts records when each attempt began, with the answer that every one gets.
func starts(b *bench, reply portstest.ScriptedReply) *[]time.Time {
	var at []time.Time // the attempts of one call do not overlap
	b.caller.Respond(func(ports.Request) portstest.ScriptedReply {
		at = append(at, time.Now())
		return reply
	})
	return &at
}

func TestSeedScheduleEndsAfterThreeAttempts(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		at := starts(b, status(http.StatusInternalServerError))
		b.register(engine.NewWebhook{Seed: true})
		began := time.Now()
		b.candidate()
		pass(100 * time.Hour)
		for i, want := range []time.Duration{0, time.Minute, 3 * time.Minute} {
			if got := (*at)[i].Sub(began); got != want {
				t.Errorf("attempt %d began after %s, want %s", i+1, got, want)
			}
		}
		if len(*at) != 3 {
			t.Errorf("%d attempts, want 3", len(*at))
		}
		c := b.calls()[0]
		if c.EndedAt == nil || c.EndedAt.Sub(began) != 3*time.Minute || c.LastStatus != 500 {
			t.Errorf("call = %+v, want it ended at the third answer", c)
		}
		b.wantStates(map[string]int{"failed: schedule used up": 1})
	})
}

func TestDefaultScheduleIsNeverEarlyAndAtMostATenthLate(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		at := starts(b, status(http.StatusBadGateway))
		b.invoices(engine.NewWebhook{})
		b.publish(`1`)
		pass(7 * 24 * time.Hour)
		waits := []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
			10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		}
		if len(*at) != len(waits)+1 {
			t.Fatalf("%d attempts, want %d", len(*at), len(waits)+1)
		}
		jittered := 0
		for i, want := range waits {
			got := (*at)[i+1].Sub((*at)[i])
			if got < want || got > want+want/10+time.Millisecond {
				t.Errorf("wait %d was %s, want %s to a tenth more", i+1, got, want)
			}
			if got != want {
				jittered++
			}
		}
		if jittered < len(waits)/2 {
			t.Errorf("only %d of %d waits have jitter", jittered, len(waits))
		}
		b.wantStates(map[string]int{"failed: schedule used up": 1})
	})
}

func TestRetryAfterIsHeededWithinBounds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, header string
		code         int
		want         time.Duration
	}{
		{"absent", "", 503, time.Minute},
		{"shorter", "1", 503, time.Minute},
		{"within", "90", 429, 90 * time.Second},
		{"longer", "86400", 503, 2 * time.Minute},
		{"a date", "Sat, 01 Jan 2000 00:01:30 GMT", 503, 90 * time.Second},
		{"nonsense", "soon", 503, time.Minute},
		{"another status", "90", 500, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := open(t)
				defer b.close()
				reply := status(test.code)
				reply.Reply.RetryAfter = test.header
				at := starts(b, reply)
				b.register(engine.NewWebhook{Seed: true})
				b.candidate()
				pass(time.Hour)
				if got := (*at)[1].Sub((*at)[0]); got != test.want {
					t.Errorf("waited %s, want %s", got, test.want)
				}
			})
		})
	}
}

// The signature is checked from the text of the standard, not with the code that made it.
func TestEveryAttemptSendsTheSameBodyAndIsSignedAnew(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.answer(http.StatusInternalServerError)
		w := b.register(engine.NewWebhook{Seed: true})
		b.candidate()
		pass(time.Hour)
		secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(w.Secret, "whsec_"))
		if err != nil || len(secret) != 32 {
			t.Fatalf("the secret has %d bytes (%v), want 32", len(secret), err)
		}
		requests := b.caller.Requests()
		seen := map[string]bool{}
		for i, r := range requests {
			id, stamp := r.Header["webhook-id"], r.Header["webhook-timestamp"]
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(id + "." + stamp + "."))
			mac.Write(r.Body)
			if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Header["webhook-signature"] != want {
				t.Errorf("attempt %d is signed %s, want %s", i+1, r.Header["webhook-signature"], want)
			}
			if !bytes.Equal(r.Body, requests[0].Body) || id != requests[0].Header["webhook-id"] || !strings.HasPrefix(id, "msg_") {
				t.Errorf("attempt %d is %s of %s, want what the first was", i+1, r.Body, id)
			}
			if _, err := strconv.ParseInt(stamp, 10, 64); err != nil || seen[stamp] {
				t.Errorf("attempt %d has timestamp %q, want one of its own", i+1, stamp)
			}
			seen[stamp] = true
		}
		if d := b.detail(b.calls()[0].ID); !bytes.Equal(d.Body, requests[0].Body) || len(requests) != 3 {
			t.Errorf("the history shows %s, sent was %s, %d times", d.Body, requests[0].Body, len(requests))
		}
	})
}

func TestTimeoutIsTheWebhooksOwn(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.caller.Respond(func(ports.Request) portstest.ScriptedReply { return portstest.ScriptedReply{After: time.Hour} })
		b.invoices(engine.NewWebhook{Timeout: 2 * time.Second, Schedule: []time.Duration{}})
		began := time.Now()
		b.publish(`1`)
		pass(time.Minute)
		c := b.calls()[0]
		if c.LastClass != ports.ClassTimeout || c.EndedAt == nil || c.EndedAt.Sub(began) != 2*time.Second {
			t.Errorf("call = %+v, want a timeout after 2 s", c)
		}
		if a := b.detail(c.ID).Attempts[0]; a.TookMS != 2000 || a.StartedAt.Sub(began) != 0 {
			t.Errorf("attempt = %+v, want one of 2,000 ms", a)
		}
	})
}

func TestUpdatedWebhookIsCalledWhereItIsNow(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		w := b.failedOnce()
		moved := "https://elsewhere.example/"
		if _, err := b.UpdateWebhook(context.Background(), engine.WebhookEdit{Company: "42", ID: w.ID, URL: &moved}); err != nil {
			t.Fatal(err)
		}
		b.answer(http.StatusOK)
		pass(2 * time.Minute)
		r := b.caller.Requests()
		if len(r) != 2 || r[0].URL != receiver || r[1].URL != moved {
			t.Errorf("requests = %+v, want the second at %s", r, moved)
		}
		b.wantStates(map[string]int{"succeeded": 1})
	})
}

// TestUpdatedWebhookStillGetsWhatItAskedFor: who is told of a message is decided when it comes, and never again.
func TestUpdatedWebhookStillGetsWhatItAskedFor(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		w := b.failedOnce()
		if _, err := b.UpdateWebhook(context.Background(), engine.WebhookEdit{Company: "42", ID: w.ID, EventTypes: []string{"other.thing"}}); err != nil {
			t.Fatal(err)
		}
		b.answer(http.StatusOK)
		pass(2 * time.Minute)
		b.wantStates(map[string]int{"succeeded": 1})
	})
}

// failedOnce publishes a message to a new webhook, whose first attempt fails; the next is a minute later.
func (b *bench) failedOnce() engine.Registered {
	b.t.Helper()
	b.answer(http.StatusInternalServerError)
	w := b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Minute, time.Minute}})
	b.publish(`1`)
	pass(time.Second)
	return w
}
