package harness_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"posthorn/harness"
)

func TestRepliesInOrder(t *testing.T) {
	t.Parallel()
	client, r := newClient(t), start(t, harness.Options{})
	statuses := func(path string, n int) (got []int) {
		for range n {
			got = append(got, send(t, client, r.URL()+path, "msg_1"))
		}
		return got
	}
	same := func(what string, got []int, want ...int) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	same("unscripted", statuses("/", 1), 204)
	r.Reply(harness.Reply{Status: 500, Times: 2}, harness.Reply{Status: 429}, harness.Reply{Body: "x"})
	same("first in, first out", statuses("/", 5), 500, 500, 429, 200, 204)

	r.Reply(harness.Reply{Status: 503, Keep: true}, harness.Reply{Status: 418})
	same("kept gives way to one-shot", statuses("/", 3), 418, 503, 503)
	r.Endpoint("own").Reply(harness.Reply{Status: 410})
	same("the path's before the receiver's", statuses("/own", 2), 410, 503)
	r.Reply(harness.Reply{Keep: true})
	same("another kept one", statuses("/", 2), 204, 204)
}

func TestReplyWhole(t *testing.T) {
	t.Parallel()
	r := start(t, harness.Options{})
	r.Reply(harness.Reply{
		Status: 503, Header: map[string]string{"X-Why": "tired"}, Body: "later", RetryAfter: 1500 * time.Millisecond,
		Delay: time.Millisecond,
	})
	got := do(t, newClient(t), request(t, r.URL(), "msg_1", "{}", time.Now()))
	if got.status != 503 || got.body != "later" || got.header.Get("X-Why") != "tired" || got.header.Get("Retry-After") != "2" {
		t.Errorf("answer %+v", got)
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	client, r := newClient(t), start(t, harness.Options{})
	hold := make(chan struct{})
	r.Reply(harness.Reply{Status: 201, Hold: hold})
	status := make(chan int)
	req := request(t, r.URL(), "msg_1", "{}", time.Now())
	go func() {
		status <- do(t, client, req).status
	}()
	if err := r.Await(soon(t), 1); err != nil { // recorded while it is held
		t.Fatal(err)
	}
	select {
	case s := <-status:
		t.Fatalf("answered %d before it was released", s)
	default:
	}
	close(hold)
	if s := <-status; s != 201 {
		t.Errorf("answered %d", s)
	}
	if send(t, client, r.URL(), "msg_1"); r.Account().Duplicates != 1 {
		t.Errorf("sent again after the held 201: %v", r.Account())
	}
}

func TestResetConnection(t *testing.T) {
	t.Parallel()
	r := start(t, harness.Options{})
	r.Reply(harness.Reply{Fault: harness.Reset})
	resp, err := newClient(t).Do(request(t, r.URL(), "msg_1", "{}", time.Now()))
	if err == nil {
		_ = resp.Body.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("error %v, want a reset connection", err)
	}
}

func TestHangUntilClose(t *testing.T) {
	t.Parallel()
	for _, reply := range []harness.Reply{{Fault: harness.Hang}, {Delay: time.Hour}, {Hold: make(chan struct{})}} {
		client, r := newClient(t), start(t, harness.Options{})
		r.Reply(reply)
		failed := make(chan error)
		req := request(t, r.URL(), "msg_1", "{}", time.Now())
		go func() {
			resp, err := client.Do(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			failed <- err
		}()
		if err := r.Await(soon(t), 1); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-failed; !errors.Is(err, io.EOF) {
			t.Errorf("%+v: error %v, want EOF", reply, err)
		}
	}
}

func TestHangUntilSenderGoes(t *testing.T) {
	t.Parallel()
	client, r := newClient(t), start(t, harness.Options{})
	r.Reply(harness.Reply{Delay: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	req := request(t, r.URL(), "msg_1", "{}", time.Now()).WithContext(ctx)
	go func() {
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		gone <- err
	}()
	if err := r.Await(soon(t), 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	// The 204 was never sent, so trying again is a retry and no duplicate.
	if send(t, client, r.URL(), "msg_1"); r.Account().Retries != 1 {
		t.Errorf("%v", r.Account())
	}
}

func TestEndless(t *testing.T) {
	t.Parallel()
	client, r := newClient(t), start(t, harness.Options{})
	r.Reply(harness.Reply{Fault: harness.Endless})
	resp, err := client.Do(request(t, r.URL(), "msg_1", "{}", time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.CopyN(io.Discard, resp.Body, 11<<20)
	if resp.StatusCode != http.StatusOK || n != 11<<20 || err != nil {
		t.Errorf("status %d, %d bytes, %v", resp.StatusCode, n, err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
}
