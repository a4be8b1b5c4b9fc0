package nats_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"posthorn/adapters/nats"
	"posthorn/adapters/watermillbus"
	"posthorn/ports"
)

// BenchmarkPublishHandle measures an envelope's way over a real server, from Publish to the end of its handler, with 64 calls of Publish
// at a time. Bodies are a batch of 1 small task, and a usual one.
func BenchmarkPublishHandle(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			o, err := nats.ParseURL(newReal(b, 1).URL())
			if err != nil {
				b.Fatal(err)
			}
			transport, err := nats.Open(b.Context(), o)
			if err != nil {
				b.Fatal(err)
			}
			bus := watermillbus.New(transport, transport, watermillbus.Options{Logger: slog.New(slog.DiscardHandler)})
			window := make(chan struct{}, 64)
			bus.Handle("bench.tasks", func(context.Context, ports.Envelope) error { <-window; return nil })

			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() { ended <- bus.Run(ctx) }() // joined below
			<-bus.Running()

			b.ReportAllocs()
			b.SetBytes(int64(size))
			b.SetParallelism(64)
			b.RunParallel(func(pb *testing.PB) {
				body := make([]byte, size)
				for pb.Next() {
					window <- struct{}{}
					if err := bus.Publish(ctx, "bench.tasks", ports.Envelope{ID: newMessage("").UUID, Body: body}); err != nil {
						b.Error(err)
					}
				}
			})
			for range cap(window) {
				window <- struct{}{}
			}
			b.StopTimer()
			cancel()
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		})
	}
}
