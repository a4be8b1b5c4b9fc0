package contest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/count"
	"posthorn/bench/internal/numbered"
	"posthorn/harness/load"
)

// A flood is a company whose calls come many at once, again as soon as the last of them have been made. Its receiver is a process of its
// own: in ours, the calls of the healthy webhook would wait for a processor behind those of the flood after they have arrived.
type flood struct {
	calls, webhooks int // at once; each message goes to all webhooks

	server   *Server
	receiver *child.Child
	client   *http.Client
	sent     int // messages
}

func (f *flood) messages() int { return max(1, f.calls/f.webhooks) }

// open starts the receiver and registers the company's webhooks.
func (f *flood) open(ctx context.Context, s *Server) (err error) {
	f.server, f.client = s, load.NewClient(1)
	counter, err := ourselves("count")
	if err != nil {
		return err
	}
	if f.receiver, err = child.Start(ctx, child.Behind(counter), count.ListeningAt); err != nil {
		return err
	}
	_, err = numbered.Closed(ctx, time.Now(), numbered.Numbers{Count: f.webhooks}, clients, func(ctx context.Context, n int) error {
		_, err := s.Register(ctx, company(0), f.receiver.URL+"?"+strconv.Itoa(n))
		return err
	})
	return err
}

// pour sends one flood.
func (f *flood) pour(ctx context.Context) error {
	numbers := numbered.Numbers{First: f.sent, Count: f.messages()}
	f.sent += numbers.Count
	_, err := numbered.Closed(ctx, time.Now(), numbers, clients, func(ctx context.Context, n int) error {
		return f.server.Publish(ctx, company(0), numbered.Set(numbered.Message("sample.taken"), n))
	})
	return err
}

// lookAtFlood is how often it is looked whether a flood is over.
const lookAtFlood = 20 * time.Millisecond

// keep sends the next flood whenever the last has been called, until ctx ends.
func (f *flood) keep(ctx context.Context) error {
	for wait(ctx, lookAtFlood) == nil {
		left, err := f.waiting(ctx)
		if err == nil && left <= 0 {
			err = f.pour(ctx)
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("flood: %w", err)
		}
	}
	return nil
}

// waiting is how many of its calls have not been made.
func (f *flood) waiting(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.receiver.URL+count.Path, nil)
	if err != nil {
		return 0, err
	}
	res, err := f.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }() // nothing is lost with it
	var made int
	if err := json.NewDecoder(io.LimitReader(res.Body, 64)).Decode(&made); err != nil {
		return 0, fmt.Errorf("read how many calls were made: %w", err)
	}
	return f.sent*f.webhooks - made, nil
}

func (f *flood) close() error {
	if f.receiver == nil {
		return nil
	}
	f.client.CloseIdleConnections()
	_, err := f.receiver.Stop()
	return err
}
