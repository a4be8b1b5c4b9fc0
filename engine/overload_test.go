package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// publishMany publishes n messages at once, without a webhook, and returns the errors when wait is called.
func publishMany(b *bench, n, size int) (wait func() map[string]int) {
	errs := make(chan error, n)
	data := fmt.Appendf(nil, "%q", strings.Repeat("x", size))
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			_, err := b.Publish(context.Background(), engine.NewMessage{Company: "7", EventType: "a", Data: data})
			errs <- err
		})
	}
	return func() map[string]int {
		all.Wait()
		close(errs)
		out := map[string]int{}
		for err := range errs {
			switch {
			case err == nil:
				out["accepted"]++
			case errors.Is(err, ports.ErrOverloaded):
				out["overloaded"]++
			default:
				out[err.Error()]++
			}
		}
		return out
	}
}

func TestAtMost4096AcceptsWait(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		faults := portstest.NewFaultStore(memstore.New())
		b := openOn(t, faults, portstest.NewScriptedCaller())
		defer b.close()
		held, release := faults.Hold(1)
		first := publishMany(b, 1, 0)
		<-held
		rest := publishMany(b, 4096+100, 0)
		synctest.Wait()
		if page, err := b.Events(t.Context(), engine.EventQuery{}); err != nil || len(page.Items) == 0 {
			t.Errorf("events = %v, %v; want reads to go on", page, err)
		}
		release()
		if got := first(); got["accepted"] != 1 {
			t.Errorf("the first = %v", got)
		}
		if got := rest(); got["accepted"] != 4096 || got["overloaded"] != 100 {
			t.Errorf("the rest = %v, want 4,096 accepted and 100 overloaded", got)
		}
	})
}

func TestAtMost32MiBOfAcceptsWait(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		faults := portstest.NewFaultStore(memstore.New())
		b := openOn(t, faults, portstest.NewScriptedCaller())
		defer b.close()
		held, release := faults.Hold(1)
		first := publishMany(b, 1, 0)
		<-held
		rest := publishMany(b, 170, 230<<10)
		synctest.Wait()
		release()
		first()
		got := rest()
		if n := got["accepted"]; n < 130 || n > 146 || n+got["overloaded"] != 170 {
			t.Errorf("the rest = %v, want about 32 MiB of 230 KiB each accepted, the others overloaded", got)
		}
		if got := publishMany(b, 20, 230<<10)(); got["accepted"] != 20 {
			t.Errorf("later = %v, want all accepted: the bytes are counted down", got)
		}
	})
}

func TestAcceptsThatWaitedASecondAreRefusedAndOutcomesAreNot(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		faults := portstest.NewFaultStore(memstore.New())
		b := openOn(t, faults, portstest.NewScriptedCaller())
		defer b.close()
		b.many(10)
		b.slowly(500 * time.Millisecond)
		b.publish(`1`)
		held, release := faults.Hold(1)
		first := publishMany(b, 1, 0)
		<-held
		rest := publishMany(b, 100, 0)
		pass(1500 * time.Millisecond) // the attempts end meanwhile
		fresh := publishMany(b, 50, 0)
		synctest.Wait()
		release()
		if got := first(); got["accepted"] != 1 {
			t.Errorf("the first = %v", got)
		}
		if got := rest(); got["overloaded"] != 100 {
			t.Errorf("those that waited = %v, want all overloaded", got)
		}
		if got := fresh(); got["accepted"] != 50 {
			t.Errorf("those that came late = %v, want all accepted", got)
		}
		pass(time.Second)
		b.wantStates(map[string]int{"succeeded": 10})
		b.wantEach(10, 1)
	})
}

// A caller that gives up shares nothing with the writer any more: the race detector sees to that.
func TestCallerThatGivesUpIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]func(context.Context, *bench, string) error{
		"register": func(ctx context.Context, b *bench, _ string) error {
			_, err := b.RegisterWebhook(ctx, engine.NewWebhook{Company: "42", URL: receiver, EventTypes: []string{"a"}, IdempotencyKey: "k"})
			return err
		},
		"update": func(ctx context.Context, b *bench, id string) error {
			_, err := b.UpdateWebhook(ctx, engine.WebhookEdit{Company: "42", ID: id})
			return err
		},
		"disable": func(ctx context.Context, b *bench, id string) error {
			_, err := b.DisableWebhook(ctx, "42", id)
			return err
		},
		"enable": func(ctx context.Context, b *bench, id string) error {
			_, err := b.EnableWebhook(ctx, "42", id)
			return err
		},
		"publish": func(ctx context.Context, b *bench, _ string) error {
			_, err := b.Publish(ctx, engine.NewMessage{Company: "42", EventType: "a", Data: []byte(`1`)})
			return err
		},
		"candidate": func(ctx context.Context, b *bench, _ string) error {
			_, err := b.CreateCandidate(ctx, engine.NewCandidate{Company: "42", Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace"})
			return err
		},
		"apply": func(ctx context.Context, b *bench, _ string) error {
			page, err := b.Candidates(context.Background(), engine.ListQuery{Company: "42"})
			if err == nil {
				_, err = b.ApplyForJob(ctx, "42", page.Items[0].ID, "j")
			}
			return err
		},
		"retry": func(ctx context.Context, b *bench, _ string) error {
			_, err := b.Retry(ctx, b.calls()[0].ID)
			return err
		},
		"cancel": func(ctx context.Context, b *bench, _ string) error {
			_, err := b.Cancel(ctx, b.calls()[0].ID)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				faults := portstest.NewFaultStore(memstore.New())
				b := openOn(t, faults, portstest.NewScriptedCaller())
				defer b.close()
				w := b.register(engine.NewWebhook{})
				b.candidate()
				pass(time.Second)
				held, release := faults.Hold(1)
				first := publishMany(b, 1, 0)
				<-held
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				time.AfterFunc(2*time.Millisecond, release) // on its own: a release from here would order what must not need an order
				wantErr(t, command(ctx, b, w.ID), context.DeadlineExceeded)
				first()
				synctest.Wait()
			})
		})
	}
}
