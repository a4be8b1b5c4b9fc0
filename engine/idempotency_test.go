package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"testing"
	"time"

	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// keyed are the commands that take a key; content tells two requests apart.
var keyed = map[string]func(b *bench, key, content string) (any, error){
	"webhook": func(b *bench, key, content string) (any, error) {
		return b.RegisterWebhook(context.Background(), engine.NewWebhook{
			Company: "42", URL: receiver, EventTypes: []string{"a"}, Description: content, IdempotencyKey: key,
		})
	},
	"candidate": func(b *bench, key, content string) (any, error) {
		return b.CreateCandidate(context.Background(), engine.NewCandidate{
			Company: "42", Email: "ada@example.com", FirstName: content, LastName: "Lovelace", IdempotencyKey: key,
		})
	},
	"message": func(b *bench, key, content string) (any, error) {
		return b.Publish(context.Background(), engine.NewMessage{
			Company: "42", EventType: "invoice.paid", Data: fmt.Appendf(nil, "%q", content), IdempotencyKey: key,
		})
	},
}

func TestKeyMakesACommandSafeToRepeat(t *testing.T) {
	t.Parallel()
	for name, command := range keyed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := open(t)
				defer b.close()
				first, err := command(b, "key", "one")
				if err != nil {
					t.Fatal(err)
				}
				last, _ := b.LastSeq(t.Context())
				pass(23 * time.Hour)
				again, err := command(b, "key", "one")
				if err != nil || !reflect.DeepEqual(first, again) {
					t.Errorf("again = %+v, %v; want %+v", again, err, first)
				}
				if now, _ := b.LastSeq(t.Context()); now != last {
					t.Errorf("the repetition wrote %d events", now-last)
				}
				var invalid *engine.InvalidError
				if _, err := command(b, "key", "two"); !errors.As(err, &invalid) {
					t.Errorf("other content = %v, want an InvalidError", err)
				}
				other, err := command(b, "other key", "one")
				if err != nil || reflect.DeepEqual(first, other) {
					t.Errorf("another key = %+v, %v; want something new", other, err)
				}
				pass(time.Hour)
				late, err := command(b, "key", "two")
				if err != nil || reflect.DeepEqual(first, late) {
					t.Errorf("after a day = %+v, %v; want something new", late, err)
				}
			})
		})
	}
}

func TestTwinsMakeOne(t *testing.T) {
	t.Parallel()
	for name, command := range keyed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := open(t)
				defer b.close()
				answers := make([]any, 50)
				var all sync.WaitGroup
				for i := range answers {
					all.Go(func() {
						var err error
						if answers[i], err = command(b, "key", "one"); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
				for _, a := range answers {
					if !reflect.DeepEqual(a, answers[0]) {
						t.Errorf("answer %+v, another got %+v", a, answers[0])
					}
				}
			})
		})
	}
}

func TestExpiredKeysLeaveTheStore(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		keys := func() (n int) {
			err := b.store.View(t.Context(), func(r ports.Reader) error {
				for _, err := range r.Scan([]byte("r\x00idempotency\x00"), []byte("r\x00idempotency\x01"), false) {
					if err != nil {
						return err
					}
					n++
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		for i := range 600 {
			if _, err := keyed["message"](b, fmt.Sprint(i), "one"); err != nil {
				t.Fatal(err)
			}
		}
		pass(12 * time.Hour)
		if _, err := keyed["message"](b, "young", "one"); err != nil || keys() != 601 {
			t.Errorf("%d keys after half a day, %v; want 601", keys(), err)
		}
		pass(13 * time.Hour)
		if n := keys(); n != 1 {
			t.Errorf("%d keys after a day, want the young one alone", n)
		}
	})
}

// TestBudgetOfACall: at most 9 store writes from acceptance to success, with a response body that is kept.
func TestBudgetOfACall(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		writes := 0
		b := open(t, func(o *engine.Options) { o.Hooks.Committed = func(c engine.CommitInfo) { writes += c.Writes } })
		defer b.close()
		b.register(engine.NewWebhook{Seed: true})
		b.caller.Script(receiver, portstest.ScriptedReply{
			Reply: ports.Reply{Status: http.StatusOK, Body: []byte(`{"ok":true}`)}, After: 50 * time.Millisecond,
		})
		writes = 0
		b.candidate()
		pass(time.Minute)
		b.wantStates(map[string]int{"succeeded": 1})
		if d := b.detail(b.calls()[0].ID); d.Attempts[0].Response != `{"ok":true}` {
			t.Errorf("attempt = %+v, want its response kept", d.Attempts[0])
		}
		if writes > 9 || writes < 6 {
			t.Errorf("%d store writes, want at most 9", writes)
		}
	})
}
