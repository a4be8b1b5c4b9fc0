package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn"
	"posthorn/adapters/badgerstore"
	"posthorn/adapters/httpapi"
	"posthorn/adapters/httpclient"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/harness"
	"posthorn/ports"
)

// A sender accepts candidates and messages, and remembers which.
type sender struct {
	client   *httpclient.Client
	receiver *harness.Receiver
	padding  string // makes each command take room

	mu         sync.Mutex
	candidates []string
	messages   []string
}

func newSender(t *testing.T, url string) *sender {
	t.Helper()
	s := &sender{receiver: harness.NewReceiver(t, harness.Options{DropBodies: true}), padding: strings.Repeat("x", 100<<10)}
	s.connect(t, url)
	w, err := s.client.RegisterWebhook(t.Context(), engine.NewWebhook{
		Company: "42", URL: s.receiver.URL(), EventTypes: []string{"*"}, Schedule: []time.Duration{100 * time.Millisecond, time.Second, time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.receiver.SetSecret(w.Secret); err != nil {
		t.Fatal(err)
	}
	return s
}

// connect turns to the engine's new address.
func (s *sender) connect(t *testing.T, url string) {
	t.Helper()
	var err error
	if s.client, err = httpclient.New(url, httpclient.Options{}); err != nil {
		t.Fatal(err)
	}
}

// send creates a candidate and publishes a message; it returns the first refusal.
func (s *sender) send(ctx context.Context) error {
	c, err := s.client.CreateCandidate(ctx, engine.NewCandidate{
		Company: "42", Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace", Fields: map[string]any{"note": s.padding},
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.candidates = append(s.candidates, c.ID)
	s.mu.Unlock()
	m, err := s.client.Publish(ctx, engine.NewMessage{Company: "42", EventType: "invoice.paid", Data: []byte(`"` + s.padding + `"`)})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.messages = append(s.messages, m.ID)
	s.mu.Unlock()
	return nil
}

// wantAll fails the test unless every call succeeds in time, and everything that was accepted is there and has arrived.
func (s *sender) wantAll(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	every(ctx, t, "calls are open", func() bool {
		page, err := s.client.CallPage(ctx, engine.CallQuery{Company: "42", State: core.Pending, Limit: 1})
		return err == nil && len(page.Items) == 0
	})
	told := map[string]bool{}
	arrive := append([]string{}, s.messages...)
	for c, err := range s.client.Calls(ctx, engine.CallQuery{Company: "42", Limit: engine.MaxLimit}) {
		if err != nil || c.State != core.Succeeded {
			t.Fatalf("call %+v, %v", c, err)
		}
		if c.Resource != nil {
			told[c.Resource.ID] = true
			arrive = append(arrive, c.Message)
		}
	}
	for _, id := range s.candidates {
		if _, err := s.client.Candidate(ctx, "42", id); err != nil || !told[id] {
			t.Errorf("candidate %s was accepted: told %v, %v", id, told[id], err)
		}
	}
	if a := s.receiver.Account(arrive...); len(a.Lost) > 0 || a.Bad > 0 || a.Unchecked > 0 {
		t.Error(a)
	}
	t.Logf("%d candidates and %d messages were accepted, all arrived", len(s.candidates), len(s.messages))
}

// every asks again and again until it is so.
func every(ctx context.Context, t *testing.T, not string, so func() bool) {
	t.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for !so() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", not, ctx.Err())
		}
	}
}

// get returns the status and the body of an answer, 0 for none.
func get(url string) (status int, body string) {
	resp, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// wantSound runs log verify.
func wantSound(t *testing.T, data string) {
	t.Helper()
	p := prepared(t.Context(), "posthorn", "log", "verify", "--data", data)
	if code, out := p.run(t); code != 0 {
		t.Errorf("log verify ended with %d: %s %s", code, out, p.said())
	}
}

// TestFullDiskStopsWritesInTime: a disk fills up under an engine that accepts. It refuses with 507 before the disk is full, reads and
// the listener go on, and when there is room again it writes by itself. Nothing is lost.
func TestFullDiskStopsWritesInTime(t *testing.T) {
	t.Parallel()
	dir, inside := onSmallDisk(t, 400)
	if !inside {
		return
	}
	data, filler := filepath.Join(dir, "data"), filepath.Join(dir, "filler")
	p := listening(t, "posthorn", "serve", "--dev", "--data", data, "--listen", "127.0.0.1:0")
	s := newSender(t, p.url)
	const floor = badgerstore.DefaultDiskFloor
	fillDisk(t, filler, floor+1<<20)
	var refused error
	for range 1000 {
		if refused = s.send(t.Context()); refused != nil {
			break
		}
	}
	if !errors.Is(refused, ports.ErrDiskLow) {
		t.Fatalf("refused with %v, want %v", refused, ports.ErrDiskLow)
	}
	if left := free(t, dir); left < floor*7/8 {
		t.Errorf("it stopped with %d MiB free, of a floor of %d MiB", left>>20, floor>>20)
	}
	status, body := get(p.url + "/readyz")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, `"disk_low"`) {
		t.Errorf("/readyz says %d %s", status, body)
	}
	if status, _ := get(p.url + "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz says %d", status)
	}
	if c, err := s.client.Candidate(t.Context(), "42", s.candidates[0]); err != nil {
		t.Errorf("candidate = %+v, %v while the disk is low", c, err)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	every(ctx, t, "it is not ready", func() bool { status, _ := get(p.url + "/readyz"); return status == http.StatusOK })
	if err := s.send(t.Context()); err != nil {
		t.Errorf("refused with %v, after there was room again", err)
	}
	s.wantAll(t)
	p.stop(t)
	wantSound(t, data)
}

// TestDeathOnAFullDisk takes the floor away, and the rest of the disk in one stroke, while commands are accepted and attempts made: the
// process dies by SIGBUS in Badger's mapped log, or stops because a write failed. With room again, all that was accepted is there.
func TestDeathOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir, inside := onSmallDisk(t, 400)
	if !inside {
		return
	}
	data, filler := filepath.Join(dir, "data"), filepath.Join(dir, "filler")
	p := listening(t, "floorless", data)
	s := newSender(t, p.url)
	for lives := true; lives; lives = isAlive(p) { // it refuses commands in place of dying where nothing at all was left, which is below any floor
		_ = os.Remove(filler) // there is none at first
		every(t.Context(), t, "it takes commands", func() bool { return s.send(t.Context()) == nil })
		s.sendWhile(func() { fillDisk(t, filler, 1) }) // less than one command takes
	}
	<-p.exited
	t.Logf("it ended with %v: %.200s", p.ProcessState, p.said())
	if code := p.ProcessState.ExitCode(); code != exitIO && (code != 2 || !strings.Contains(p.said(), "SIGBUS")) {
		t.Errorf("it ended with %d on a full disk, and said %s", code, p.said())
	}
	refuses := prepared(t.Context(), "posthorn", "serve", "--data", data, "--listen", "127.0.0.1:0")
	if code, _ := refuses.run(t); code != exitIO || !strings.Contains(refuses.said(), "make room on its disk") {
		t.Errorf("started on a full disk it ended with %d and said %s", code, refuses.said())
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p = listening(t, "posthorn", "serve", "--dev", "--data", data, "--listen", "127.0.0.1:0")
	s.connect(t, p.url)
	s.wantAll(t)
	p.stop(t)
	wantSound(t, data)
}

// sendWhile sends all the time, does something in the midst of it, and returns when each sender was refused.
func (s *sender) sendWhile(do func()) {
	var sending sync.WaitGroup
	began := make(chan struct{}, 1)
	for range 4 {
		sending.Go(func() {
			for n := 0; s.send(context.Background()) == nil; n++ {
				if n == 5 {
					select {
					case began <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	<-began
	do()
	sending.Wait()
}

// isAlive tells whether the program answers.
func isAlive(p *running) bool {
	res, err := http.Get(p.url + "/healthz")
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return true
}

// floorless is a program: it serves the directory of its argument, and writes however little room there is.
func floorless() {
	log := slog.New(slog.DiscardHandler)
	store, err := badgerstore.Open(context.Background(), badgerstore.Options{Dir: os.Args[1], DiskFloor: 1, Logger: log})
	fatal(err)
	ph, err := posthorn.Open(context.Background(), posthorn.Options{Dir: os.Args[1], Store: store, AllowPrivateTargets: true})
	fatal(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(err)
	s := newService(ph, listener, httpapi.Handler(ph, httpapi.Options{Authorize: httpapi.AllowAll, Logger: log}), log)
	fmt.Printf("listening on %s\n", s.url)
	fatal((&serveFlags{}).attend(s, nil, nil))
}
