package gochannel_test

import (
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/goleak"

	"posthorn/adapters/gochannel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The suite of ports.Bus runs over this transport in package watermillbus. What is held here are the settings.
func TestKeepsNothingAndNeverBlocks(t *testing.T) {
	t.Parallel()

	transport := gochannel.New()

	if err := transport.Publish("topic", message.NewMessage("lost", nil)); err != nil {
		t.Fatal(err)
	}

	messages, err := transport.Subscribe(t.Context(), "topic")
	if err != nil {
		t.Fatal(err)
	}

	for range 1000 { // nobody receives yet, and nobody acknowledges
		if err := transport.Publish("topic", message.NewMessage("kept", nil)); err != nil {
			t.Fatal(err)
		}
	}

	for range 1000 {
		m := <-messages
		m.Ack()

		if m.UUID != "kept" {
			t.Errorf("got message %q, published before there was a subscriber", m.UUID)
		}
	}

	for range 2 {
		if err := transport.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
}
