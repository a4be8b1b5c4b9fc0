package posthorn_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"posthorn"
	"posthorn/ports"
)

type answering struct{ calls atomic.Int64 }

func (a *answering) Call(context.Context, ports.Request) ports.Reply {
	a.calls.Add(1)
	return ports.Reply{Status: 204}
}

// BenchmarkCall measures one call from acceptance to recorded success without HTTP on either side: what the engine itself costs. It
// prints the writes a call and the calls a sync.
func BenchmarkCall(b *testing.B) {
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) { benchmarkCall(b, clients) })
	}
}

func benchmarkCall(b *testing.B, clients int) {
	b.Helper()
	var writes, succeeded atomic.Int64
	done := make(chan struct{}, 1)
	caller := &answering{}
	ph, err := posthorn.Open(b.Context(), posthorn.Options{
		Dir: b.TempDir(), Caller: caller,
		Hooks: posthorn.Hooks{Committed: func(c posthorn.CommitInfo) { writes.Add(int64(c.Writes)) }},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = ph.Close() }()
	if _, err := ph.RegisterWebhook(b.Context(), posthorn.NewWebhook{
		Company: "42", URL: "https://receiver.example/", EventTypes: []string{"candidate.created"},
	}); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	seq, _ := ph.LastSeq(ctx)
	n := int64(b.N)
	go func() {
		for ev, err := range ph.Follow(ctx, seq) {
			if err != nil {
				b.Error(err)
				close(done)
				return
			}
			if ev.Type == "CallSucceeded" && succeeded.Add(1) == n {
				done <- struct{}{}
			}
		}
	}()
	writes.Store(0)
	syncs := ph.Syncs()
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	var next atomic.Int64
	for range clients {
		wg.Go(func() {
			for next.Add(1) <= n {
				_, err := ph.CreateCandidate(ctx, posthorn.NewCandidate{
					Company: "42", Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace",
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	<-done
	b.StopTimer()
	b.ReportMetric(float64(writes.Load())/float64(n), "writes/op")
	b.ReportMetric(float64(n)/float64(ph.Syncs()-syncs), "calls/sync")
}

// BenchmarkForget measures what it costs to forget a call by age, beside what it cost to make it in BenchmarkCall.
func BenchmarkForget(b *testing.B) {
	dir := b.TempDir()
	ph, err := posthorn.Open(b.Context(), posthorn.Options{Dir: dir, Caller: &answering{}})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := ph.RegisterWebhook(b.Context(), posthorn.NewWebhook{Company: "42", URL: "https://receiver.example/", EventTypes: []string{"*"}}); err != nil {
		b.Fatal(err)
	}
	var publishers sync.WaitGroup
	var next atomic.Int64
	for range 64 {
		publishers.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if _, err := ph.Publish(b.Context(), posthorn.NewMessage{Company: "42", EventType: "a", Data: []byte(`{"a":1}`)}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	publishers.Wait()
	seq, _ := ph.LastSeq(b.Context())
	if err := ph.Shutdown(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	if ph, err = posthorn.Open(b.Context(), posthorn.Options{Dir: dir, Caller: &answering{}, Retention: posthorn.MinRetention}); err != nil {
		b.Fatal(err)
	}
	forgotten := 0
	for ev, err := range ph.Follow(b.Context(), seq) { // told in time, for these events are themselves forgotten
		if err != nil {
			b.Fatal(err)
		}
		var pruned struct {
			Calls []string `json:"prunedCalls"`
		}
		if err := json.Unmarshal(ev.Data, &pruned); err != nil {
			b.Fatal(err)
		}
		if forgotten += len(pruned.Calls); forgotten == b.N {
			break
		}
	}
	b.StopTimer()
	if err := ph.Close(); err != nil {
		b.Fatal(err)
	}
}
