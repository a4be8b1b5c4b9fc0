package sqs_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/goleak"

	"posthorn/adapters/sqs"
	"posthorn/internal/broker"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.server != nil {
		shared.server.Close()
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

// shared is one real server for all tests that do not break it.
var shared struct {
	once   sync.Once
	server *broker.SQS
	err    error
}

// server returns the shared server, or skips the test.
func server(t *testing.T) *broker.SQS {
	t.Helper()
	installed := broker.Installed(t, "sqs")
	shared.once.Do(func() { shared.server, shared.err = broker.StartSQS(context.Background(), installed, "") })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// open makes a transport to a real server.
func open(t *testing.T, url string) *sqs.Transport {
	t.Helper()
	o, err := sqs.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	transport, err := sqs.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = transport.Close() })
	return transport
}

// newTopic returns a name that no other test uses.
func newTopic() string { return "test-" + strings.ToLower(rand.Text()) }

// receive returns the next message, or stops the test.
func receive(t *testing.T, from <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case m, ok := <-from:
		if !ok {
			t.Fatal("the subscription ended")
		}
		return m
	case <-time.After(2 * time.Minute):
		t.Fatal("waited for a message, in vain")
	}
	panic("not reached")
}
