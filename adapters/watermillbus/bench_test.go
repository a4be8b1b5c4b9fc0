package watermillbus_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"posthorn/adapters/gochannel"
	"posthorn/adapters/watermillbus"
	"posthorn/ports"
)

// BenchmarkPublishHandle measures an envelope's way from Publish to the end of its handler, at most 64 under way at once.
// Bodies are a batch of 1 small task, a usual one, and the largest.
func BenchmarkPublishHandle(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10, 128 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			transport := gochannel.New()
			bus := watermillbus.New(transport, transport, watermillbus.Options{Logger: slog.New(slog.DiscardHandler)})
			window := make(chan struct{}, 64)

			bus.Handle("tasks", func(context.Context, ports.Envelope) error {
				<-window

				return nil
			})

			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error, 1)

			go func() { ended <- bus.Run(ctx) }() // joined below

			<-bus.Running()

			e := ports.Envelope{ID: "id", Key: "7", Meta: map[string]string{"format": "1", "epoch": "3"}, Body: make([]byte, size)}

			b.ReportAllocs()
			b.SetBytes(int64(size))

			for b.Loop() {
				window <- struct{}{}

				if err := bus.Publish(ctx, "tasks", e); err != nil {
					b.Fatal(err)
				}
			}

			for range cap(window) {
				window <- struct{}{}
			}

			cancel()

			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		})
	}
}
