package sqs_test

import (
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"posthorn/adapters/watermillbus"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

func openBus(t *testing.T) ports.Bus {
	t.Helper()
	transport := open(t, server(t).URL())
	return watermillbus.New(transport, transport, watermillbus.Options{})
}

func TestLeaks(t *testing.T) { //nolint:paralleltest // it would see the goroutines of others
	server(t) // has goroutines too
	portstest.BusLeaks(t, openBus)
}

func TestConformance(t *testing.T) { //nolint:paralleltest // beside Watermill's suite the server may answer nobody for 5 s, and a publish fails
	portstest.Bus(t, openBus)
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	portstest.BusConcurrency(t, 64, openBus)
}

// TestWatermill runs Watermill's own suite. SQS knows no consumer groups, no order, and delivers at least once.
func TestWatermill(t *testing.T) {
	t.Parallel()
	url := server(t).URL()
	tests.TestPubSub(t, tests.Features{
		Persistent:        true,
		GenerateTopicFunc: func(c tests.TestContext) string { return "watermill-" + strings.ToLower(string(c.TestID)) },
	}, func(t *testing.T) (message.Publisher, message.Subscriber) {
		t.Helper()
		return open(t, url), open(t, url) // the suite closes a publisher that it does not need
	}, nil)
}
