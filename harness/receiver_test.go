package harness_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/harness"
)

func TestRecords(t *testing.T) {
	t.Parallel()
	var told []harness.Delivery
	r := start(t, harness.Options{OnDelivery: func(d harness.Delivery) { told = append(told, d) }})
	before := time.Now()
	do(t, newClient(t), request(t, r.URL()+"/hook?x=1", "msg_1", `{"n":1}`, time.Now()))
	all := r.Deliveries()
	if len(all) != 1 || len(told) != 1 {
		t.Fatalf("%d deliveries kept, %d told", len(all), len(told))
	}
	d := all[0]
	if d.N != 1 || d.ID != "msg_1" || d.Method != http.MethodPost || d.Path != "/hook" || d.Query != "x=1" || d.Status != 204 ||
		string(d.Body) != `{"n":1}` || d.Header.Get("webhook-id") != "msg_1" || d.At.Before(before) || told[0].N != 1 {
		t.Errorf("recorded %+v", d)
	}
}

func TestKeepsTheLast(t *testing.T) {
	t.Parallel()
	client, r := newClient(t), start(t, harness.Options{Keep: 3, DropBodies: true})
	for i := range 8 {
		send(t, client, r.URL()+fmt.Sprintf("/%d", i%2), fmt.Sprintf("msg_%d", i))
	}
	got := make([]string, 0, 3)
	for _, d := range r.Deliveries() {
		got = append(got, d.ID)
		if d.Body != nil {
			t.Errorf("%v: the body was kept", d)
		}
	}
	if strings.Join(got, " ") != "msg_5 msg_6 msg_7" {
		t.Errorf("kept %v", got)
	}
	if n := len(r.Endpoint("/1").Deliveries()); n != 2 {
		t.Errorf("kept %d of /1", n)
	}
	if a := r.Account(); a.Unique != 8 || r.Endpoint("/0").Account().Unique != 4 {
		t.Errorf("all are counted: %v", a)
	}
	none := start(t, harness.Options{Keep: -1})
	if send(t, client, none.URL(), "msg_1"); len(none.Deliveries()) != 0 || none.Account().Deliveries != 1 {
		t.Errorf("keeping none: %v", none.Account())
	}
}

func TestForeignID(t *testing.T) {
	t.Parallel()
	r := start(t, harness.Options{ID: func(_ http.Header, body []byte) string { return string(body) }})
	do(t, newClient(t), request(t, r.URL(), "msg_1", "order-7", time.Now()))
	if err := r.AwaitID(soon(t), "order-7", 1); err != nil {
		t.Error(err)
	}
}

// Many senders at once, and each kind of wait registered before, between and after.
func TestAwait(t *testing.T) {
	t.Parallel()
	const senders, each = 8, 50
	client, r := newClient(t), start(t, harness.Options{Secret: secret})
	ids := make([]string, 0, each)
	for i := range each {
		ids = append(ids, fmt.Sprintf("msg_%d", i))
	}
	waits := map[string]func() error{
		"Await":       func() error { return r.Await(soon(t), senders*each) },
		"AwaitUnique": func() error { return r.AwaitUnique(soon(t), each) },
		"AwaitID":     func() error { return r.AwaitID(soon(t), "msg_7", senders) },
		"AwaitAll":    func() error { return r.AwaitAll(soon(t), ids...) },
		"AwaitMatch": func() error {
			return r.AwaitMatch(soon(t), senders, func(d harness.Delivery) bool { return d.ID == "msg_9" })
		},
		"Endpoint.Await": func() error {
			err := r.Endpoint("/0").Await(soon(t), senders*each/2)
			if n := r.Endpoint("/0").Account().Deliveries; err == nil && n < senders*each/2 {
				return fmt.Errorf("returned after %d deliveries", n)
			}
			return err
		},
	}
	check := func(name string, wait func() error) {
		if err := wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var wg sync.WaitGroup
	for name, wait := range waits {
		wg.Go(func() { check(name, wait) })
	}
	for s := range senders {
		wg.Go(func() {
			for _, id := range ids {
				send(t, client, fmt.Sprintf("%s/%d", r.URL(), s%2), id)
			}
		})
	}
	wg.Wait()
	for name, wait := range waits {
		if name == "AwaitUnique" {
			wait = func() error { return r.AwaitUnique(soon(t), 2*each) } // each id at both paths
		}
		check(name+" afterwards", wait)
	}
	a := r.Account(ids...)
	if a.Deliveries != senders*each || a.Verified != senders*each || a.Unique != 2*each || a.Expected != each ||
		len(a.Lost) != 0 || a.Unexpected != 0 || a.Duplicates != senders*each-2*each {
		t.Errorf("%v", a)
	}
}

func TestAwaitInVain(t *testing.T) {
	t.Parallel()
	client, r := newClient(t), start(t, harness.Options{})
	send(t, client, r.URL(), "msg_1")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	cases := []struct {
		err  error
		want string
	}{
		{r.Await(ended, 3), "1 of 3 deliveries came"},
		{r.AwaitUnique(ended, 2), "1 of 2 message ids came"},
		{r.AwaitID(ended, "msg_1", 2), `1 of 2 deliveries of "msg_1" came`},
		{r.AwaitAll(ended, "msg_1", "msg_2", "msg_2"), "1 of 2 expected message ids came"},
		{r.AwaitMatch(ended, 2, func(harness.Delivery) bool { return false }), "0 of 2 matching deliveries came"},
		{r.Endpoint("/other").Await(ended, 1), "/other: 0 of 1 deliveries came"},
	}
	for _, c := range cases {
		if !errors.Is(c.err, context.Canceled) || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("error %v, want %q", c.err, c.want)
		}
	}
	waiting := make(chan error)
	go func() { waiting <- r.Await(soon(t), 2) }()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; !errors.Is(err, harness.ErrClosed) {
		t.Errorf("a wait over Close: %v", err)
	}
}

func TestBrokenOff(t *testing.T) {
	t.Parallel()
	r := start(t, harness.Options{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	if err != nil {
		t.Fatal(err)
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		t.Fatalf("dialled a %T", conn)
	}
	if err := tcp.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("half a request was answered")
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if a := r.Account(); a.Deliveries != 0 || a.Broken != 1 {
		t.Errorf("%v", a)
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := harness.Start(ctx, harness.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = harness.Start(t.Context(), harness.Options{Listen: strings.TrimPrefix(r.URL(), "http://")})
	if err == nil || !strings.Contains(err.Error(), "port 0 takes a free one") {
		t.Errorf("a port in use: %v", err)
	}
	// A connection on which nothing was sent must not hold Close up for long, nor two closers each other.
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	began := time.Now()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { _ = r.Close() })
	}
	wg.Wait()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("Close took %v", took)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the idle connection is still open")
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

// A hook that is slower than the grace of Close is joined all the same, also where requests outlive their connection.
func TestCloseJoins(t *testing.T) {
	t.Parallel()
	for name, protocol := range map[string]func(*http.Protocols){"HTTP/1.1": http1, "HTTP/2": http2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ended atomic.Bool
			r := start(t, harness.Options{TLS: harness.Trusted, OnDelivery: func(harness.Delivery) {
				<-time.After(400 * time.Millisecond)
				ended.Store(true)
			}})
			failed := make(chan error)
			req := request(t, r.URL(), "msg_1", "{}", time.Now())
			client := clientOf(t, r, protocol)
			go func() {
				_, err := exchange(client, req)
				failed <- err
			}()
			if err := r.Await(soon(t), 1); err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if !ended.Load() {
				t.Error("Close returned while the hook ran")
			}
			if err := <-failed; err == nil {
				t.Error("what was under way was answered")
			}
		})
	}
}

// A path may have what a URL cannot.
func TestEndpointURL(t *testing.T) {
	t.Parallel()
	r := start(t, harness.Options{})
	e := r.Endpoint("/a b/%/\u00fc?")
	if status := send(t, newClient(t), e.URL(), "m1"); status != http.StatusNoContent || e.Account().Deliveries != 1 {
		t.Errorf("%s: answered %d; %v", e.URL(), status, r.Deliveries())
	}
}
