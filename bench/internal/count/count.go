// Package count is a receiver in a process of its own that counts what comes. Read next: package contest, whose fairness floods it.
package count

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"posthorn/harness"
)

// Path is where a GET is answered with how many requests have come to the path / since the start.
const Path = "/count"

// Serve counts until ctx ends. Its first line on out says where it listens; ListeningAt reads it.
func Serve(ctx context.Context, out io.Writer) error {
	r, err := harness.Start(ctx, harness.Options{
		ID:   func(http.Header, []byte) string { return "" }, // one message comes for many webhooks, and repeats are of no interest
		Keep: -1, DropBodies: true,
	})
	if err != nil {
		return err
	}
	r.Endpoint(Path).Reply(harness.Reply{Keep: true, Answer: func(w http.ResponseWriter, _ *http.Request, _ harness.Delivery) {
		_, _ = fmt.Fprint(w, r.Endpoint("/").Account().Deliveries) // who asked has gone
	}})
	if _, err := fmt.Fprintf(out, "%s%s\n", says, r.URL()); err != nil {
		_ = r.Close() // always nil
		return fmt.Errorf("count: %w", err)
	}
	<-ctx.Done()
	return r.Close()
}

const says = "listening "

// ListeningAt finds in a line of Serve's output where it listens.
func ListeningAt(line string) (url string, ok bool) { return strings.CutPrefix(line, says) }
