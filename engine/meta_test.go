package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// small is a store whose commits hold little, so that batches are small.
type small struct {
	ports.Store

	part int
}

func (s small) Limits() ports.Limits {
	l := s.Store.Limits()
	l.CommitBytes /= s.part
	l.CommitWrites /= s.part
	return l
}

// A setting is one way to run the same commands.
type setting struct {
	workers, part, restartEvery int
}

// TestSameCommandsSameEnds: how many ask at once, how large batches are, and restarts change nothing in what becomes of the calls.
func TestSameCommandsSameEnds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1) {
		want := ends(t, seed, setting{workers: 1, part: 1})
		for _, s := range []setting{{64, 1, 0}, {64, 200, 0}, {8, 1, 7}, {64, 50, 13}} {
			if got := ends(t, seed, s); !slices.Equal(got, want) {
				t.Errorf("seed %d with %+v: the calls ended as\n%v\nwith one worker as\n%v", seed, s, got, want)
			}
		}
	}
}

// ends runs the commands of a seed and describes every call without its ids and times.
func ends(t *testing.T, seed uint64, s setting) (out []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		caller.Respond(func(r ports.Request) portstest.ScriptedReply { // what a webhook answers hangs on its URL alone
			codes := map[byte]int{'0': 200, '1': 500, '2': 200, '3': 204, '4': 301}
			reply := status(codes[r.URL[len(r.URL)-1]])
			reply.After = time.Duration(r.URL[len(r.URL)-1]-'0') * 700 * time.Millisecond
			return reply
		})
		reopen := func() *bench { return openOn(t, small{disk, s.part}, caller) }
		b := reopen()
		for i := range 5 {
			b.invoices(engine.NewWebhook{
				URL: fmt.Sprintf("%s/%d", receiver, i), Description: fmt.Sprint(i), Schedule: []time.Duration{time.Minute, time.Hour},
			})
		}
		random := rand.New(rand.NewPCG(seed, 0))
		for done := 0; done < 40; {
			n := 40 - done
			if s.restartEvery > 0 {
				n = min(n, s.restartEvery)
			}
			b.publishAll(random, n, s.workers)
			if done += n; s.restartEvery > 0 {
				b.close()
				b = reopen()
			}
		}
		pass(24 * time.Hour)
		for _, c := range b.calls() {
			out = append(out, fmt.Sprintf("%s %s %s %d %d %s", c.EventType, c.URL, c.State, c.AttemptCount, c.LastStatus, c.Reason))
		}
		b.close()
		wantVerified(t, disk)
	})
	slices.Sort(out)
	return out
}

// publishAll publishes n messages, drawn in order, by a number of workers.
func (b *bench) publishAll(random *rand.Rand, n, workers int) {
	b.t.Helper()
	types := make(chan string, n)
	for range n {
		types <- []string{"invoice.paid", "invoice.sent", "other.thing"}[random.IntN(3)]
	}
	close(types)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for eventType := range types {
				_, err := b.Publish(context.Background(), engine.NewMessage{Company: "42", EventType: eventType, Data: []byte(`1`)})
				if err != nil {
					b.t.Errorf("publish: %v", err)
				}
			}
		})
	}
	all.Wait()
}
