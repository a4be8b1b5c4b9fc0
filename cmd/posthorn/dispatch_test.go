package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats-server/v2/server"

	"posthorn"
	"posthorn/adapters/gochannel"
	"posthorn/adapters/memstore"
	"posthorn/adapters/watermillbus"
	"posthorn/engine"
	"posthorn/harness"
)

// A shared transport stays open when one of its two buses ends, as a broker does.
type shared struct{ inner }

type inner interface {
	message.Publisher
	message.Subscriber
}

func newShared(t *testing.T) shared {
	t.Helper()
	channel := gochannel.New()
	t.Cleanup(func() {
		if err := channel.Close(); err != nil {
			t.Error(err)
		}
	})
	return shared{channel}
}

// Close does nothing; the test's end does it.
func (shared) Close() error { return nil }

// fleet starts an engine that makes no calls and a dispatcher as the program makes one, over Go channels between them, and a webhook.
// stop ends the engine.
func fleet(t *testing.T, c *dispatchCmd, receiver *harness.Receiver) (ph *posthorn.Posthorn, d *dispatching) {
	t.Helper()
	channel, key := newShared(t), engine.NewKey([32]byte{1})
	c.SecretKey, c.Transport = key.Text(), "nats://in.place.of.it"
	o, _, err := c.options(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	o.Bus = watermillbus.New(channel, channel, watermillbus.Options{})
	if d, err = c.start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	ph, err = posthorn.Open(t.Context(), posthorn.Options{
		Store: memstore.New(), Key: key, NoDispatch: true, Bus: watermillbus.New(channel, channel, watermillbus.Options{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = ph.RegisterWebhook(t.Context(), posthorn.NewWebhook{Company: "42", URL: receiver.URL(), EventTypes: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	return ph, d
}

func publish(t *testing.T, ph *posthorn.Posthorn) {
	t.Helper()
	if _, err := ph.Publish(t.Context(), posthorn.NewMessage{Company: "42", EventType: "a", Data: []byte(`1`)}); err != nil {
		t.Fatal(err)
	}
}

// askWith makes a request with a key.
func askWith(t *testing.T, url, key string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// A dispatcher tells its health and what it has done, and SIGTERM lets what is under way finish.
func TestDispatch(t *testing.T) {
	t.Parallel()
	receiver := harness.NewReceiver(t)
	answer := make(chan struct{})
	receiver.Reply(harness.Reply{Status: http.StatusNoContent}, harness.Reply{Status: http.StatusNoContent, Hold: answer})
	c := &dispatchCmd{Listen: "127.0.0.1:0"}
	c.Concurrency, c.Grace, c.Dev, c.Key = 8, time.Minute, true, "hush-8d2c"
	ph, d := fleet(t, c, receiver)
	defer func() {
		if err := ph.Close(); err != nil {
			t.Error(err)
		}
	}()

	publish(t, ph)
	if err := receiver.Await(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for ev, err := range ph.Follow(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Type == "CallSucceeded" {
			break
		}
	}
	publish(t, ph) // it is held by the receiver
	if err := receiver.Await(t.Context(), 2); err != nil {
		t.Fatal(err)
	}

	wantPage := func(path, key string, status int, want ...string) {
		t.Helper()
		got, body := askWith(t, d.url+path, key)
		for _, w := range want {
			if got != status || !strings.Contains(body, w) {
				t.Errorf("%s says %d %s, want %d and %q", path, got, body, status, w)
			}
		}
	}
	for poll := time.NewTicker(time.Millisecond); d.dispatcher.UnderWay() > 1; <-poll.C { // the first is told before its place is free
		continue
	}
	wantPage("/healthz", "", 200, `{"status":"up","version":"dev"}`)
	wantPage("/readyz", "", 200, `{"status":"ready"}`)
	wantPage("/metrics", "", 401, `"code":"unauthorized"`)
	wantPage("/metrics", "hush-8d2c", 200, `posthorn_attempt_seconds_count{class="ok"} 1`, `posthorn_attempt_seconds_count{class="timeout"} 0`,
		"\nposthorn_attempts_under_way 1\n", `posthorn_tasks_dropped_total{reason="late"} 0`, "\nposthorn_envelopes_rejected_total 0\n", "\ngo_goroutines ")
	wantPage("/v1/companies/42/calls", "hush-8d2c", 404, "")

	signals, ended := make(chan os.Signal), make(chan error)
	go func() { ended <- c.attend(d, signals) }() // joined below
	signals <- syscall.SIGTERM
	<-d.stopping(t)
	wantPage("/readyz", "", 503, `"code":"closed"`)
	close(answer)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := receiver.Account().Deliveries; n != 2 {
		t.Errorf("%d deliveries, want 2", n)
	}
}

// stopping is closed when the dispatcher says that it is not ready any more.
func (d *dispatching) stopping(t *testing.T) <-chan struct{} {
	t.Helper()
	told := make(chan struct{})
	go func() { // ends with the stop that the test has asked for
		defer close(told)
		poll := time.NewTicker(time.Millisecond)
		defer poll.Stop()
		for d.dispatcher.Ready(context.Background()) == nil {
			<-poll.C
		}
	}()
	return told
}

// The demonstration tells the same story over a broker.
func TestDemoOverNATS(t *testing.T) {
	t.Parallel()
	broker, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	broker.Start()
	defer broker.WaitForShutdown()
	defer broker.Shutdown()
	var out, errs bytes.Buffer
	p := &program{ctx: t.Context(), stdout: &out, stderr: &errs, settings: newSettings()}
	if err := p.do([]string{"demo", "--once", "--transport", broker.ClientURL()}); err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &errs)
	}
	for _, want := range []string{"\n  transport nats://127.0.0.1:", "prefix=posthorn-demo-", `"state":"succeeded","attemptCount":3`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the story has no %q:\n%s", want, &out)
		}
	}
	if errs.Len() > 0 {
		t.Errorf("the demonstration says: %s", &errs)
	}
}

func TestTransports(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"gochannel:": "", "gochannel://": "", "gochannel:?prefix=mine": "mine", "kafka://a:1,b:2?prefix=mine&partitions=3": "mine",
		"sqs://us-east-1?endpoint=http://127.0.0.1:9324&prefix=a-1": "a-1", "nats://u:p@h:4222?replicas=3&prefix=mine": "mine", "tls://h": "",
	} {
		got, err := transportFlag{raw}.transport()
		if err != nil || got.prefix != want || got.local() != strings.HasPrefix(raw, "gochannel") {
			t.Errorf("%s: prefix %q, local %t, %v; want prefix %q", raw, got.prefix, got.local(), err, want)
		}
		if again, err := (transportFlag{withPrefix(strings.ReplaceAll(raw, "prefix=", "x="), "demo")}).transport(); err == nil && again.prefix != "demo" {
			t.Errorf("%s with another prefix: %q", raw, again.prefix)
		}
	}
	for raw, want := range map[string]string{
		"nats://me:hush@h:1/x@y?z": "nats://********@y?z", "nats://h:1": "nats://h:1", "gochannel:": "gochannel:", "kafka://a@h,b:2": "kafka://********@h,b:2",
	} {
		if got := withoutPassword(raw); got != want {
			t.Errorf("%s is shown as %s, want %s", raw, got, want)
		}
	}
}
