package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/adapters/httpapi"
	"posthorn/ports"
)

// A keeper keeps what a stream writes; it has no deadlines. Cut makes its writes fail, as a client that has gone does.
type keeper struct {
	mu     sync.Mutex
	header http.Header
	text   strings.Builder
	cut    bool
}

func (k *keeper) Header() http.Header { return k.header }
func (k *keeper) WriteHeader(int)     {}
func (k *keeper) Flush()              {}

func (k *keeper) Write(b []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cut {
		return 0, errors.New("the client has gone")
	}
	return k.text.Write(b)
}

func (k *keeper) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.text.String()
}

// streamed runs a stream in the background of a bubble. stop ends the request; done is closed when the handler has returned.
func streamed(m *memory, path string, header map[string]string) (out *keeper, stop func(), done chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	in := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	for name, value := range header {
		in.Header.Set(name, value)
	}
	kept, ended := &keeper{header: http.Header{}}, make(chan struct{})
	h := quiet(m)
	go func() {
		defer close(ended)
		h.ServeHTTP(kept, in)
	}()
	return kept, cancel, ended
}

func TestStreamOfACompany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.happen("WebhookRegistered", "42")
		m.happen("WebhookRegistered", "7")
		out, stop, done := streamed(m, c42+"/events/stream", nil)
		synctest.Wait()
		m.happen("CallSucceeded", "42")
		synctest.Wait()
		m.happen("CallFailed", "7")
		time.Sleep(16 * time.Second) // the bubble's time
		stop()
		<-done
		golden(t, "stream.txt", fmt.Sprintf("%s\n%s", out.header.Get("Content-Type"), out))
	})
}

func TestStreamBeginsWhereItIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path   string
		header map[string]string
		first  string
	}{
		"from the start":         {"/v1/events/stream", nil, "id: 1\n"},
		"after":                  {"/v1/events/stream?after=1", nil, "id: 2\n"},
		"a browser's last event": {"/v1/events/stream?after=1", map[string]string{"Last-Event-ID": "2"}, "id: 3\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				for _, company := range []string{"a", "b", "c"} {
					m.happen("CallFailed", company)
				}
				out, stop, done := streamed(m, c.path, c.header)
				synctest.Wait()
				stop()
				<-done
				if _, after, _ := strings.Cut(out.String(), "\n\n"); !strings.HasPrefix(after, c.first) || !strings.Contains(after, "id: 3\n") {
					t.Errorf("got %q", out)
				}
			})
		})
	}
}

func TestStreamEnds(t *testing.T) {
	t.Parallel()
	t.Run("in silence when the engine closes", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			m.fail = ports.ErrClosed
			out, stop, done := streamed(m, "/v1/events/stream", nil)
			defer stop()
			<-done
			if strings.Contains(out.String(), "error") {
				t.Errorf("got %q", out)
			}
		})
	})
	t.Run("with the reason when the log cannot be read", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			m.fail = ports.ErrDamaged
			out, stop, done := streamed(m, "/v1/events/stream", nil)
			defer stop()
			<-done
			if !strings.Contains(out.String(), "event: error\ndata: {") || !strings.Contains(out.String(), `"code":"internal"`) {
				t.Errorf("got %q", out)
			}
		})
	})
	t.Run("when the client has gone", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(*testing.T) {
			m := newMemory()
			out, stop, done := streamed(m, "/v1/events/stream", nil)
			defer stop()
			synctest.Wait()
			out.mu.Lock()
			out.cut = true
			out.mu.Unlock()
			<-done // at the next heartbeat
		})
	})
}

// http.Server.Shutdown waits for requests: a stream has to end by itself.
// A key that is revoked while its stream is open gets nothing after the next heartbeat.
func TestStreamEndsWithItsKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		var revoked atomic.Bool
		h := httpapi.Handler(m, httpapi.Options{Authorize: func(*http.Request) (httpapi.Access, error) {
			if revoked.Load() {
				return httpapi.Access{}, errors.New("revoked")
			}
			return httpapi.Access{Company: "42"}, nil
		}})
		out, ended := &keeper{header: http.Header{}}, make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer close(ended)
			h.ServeHTTP(out, httptest.NewRequestWithContext(ctx, http.MethodGet, c42+"/events/stream", nil))
		}()
		time.Sleep(16 * time.Second) // the bubble's time
		m.happen("CallSucceeded", "42")
		synctest.Wait()
		revoked.Store(true)
		time.Sleep(16 * time.Second)
		select {
		case <-ended: // at the heartbeat
		default:
			t.Error("the stream goes on without a key")
		}
		cancel()
		<-ended
		if !strings.Contains(out.String(), "CallSucceeded") {
			t.Errorf("while its key was good the stream had %q", out)
		}
	})
}

func TestStreamEndsWhenTheServerStops(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(serve(newMemory()))
	defer server.Close()
	answer, err := server.Client().Get(server.URL + c42 + "/events/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := answer.Body.Close(); err != nil {
			t.Error(err)
		}
	}()
	lines := bufio.NewScanner(answer.Body)
	if !lines.Scan() || lines.Text() != ": events follow" {
		t.Fatalf("first line %q", lines.Text())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := server.Config.Shutdown(ctx); err != nil {
		t.Fatalf("shut down with a stream open: %v", err)
	}
	for lines.Scan() {
	}
	if lines.Err() != nil {
		t.Errorf("the stream did not end in order: %v", lines.Err())
	}
}
