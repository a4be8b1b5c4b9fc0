package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"posthorn/engine"
	"posthorn/ports"
)

// TestRejectedIsAcknowledgedWhenItIsKept: not before, and it is counted once.
func TestRejectedIsAcknowledgedWhenItIsKept(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		counted := 0
		b, bus := handed(t, func(o *engine.Options) { o.Hooks.Rejected = func(string, error) { counted++ } })
		defer b.close()
		bad := ports.Envelope{ID: "bad\nid", Meta: map[string]string{"from": "billing"}, Body: []byte("{\"company\":\"4\\n2\",\"x\":1}")}
		bus.refuse = func(string, ports.Envelope) error { return errCrash }
		wantErr(t, bus.deliver(bad), errCrash)
		bus.refuse = nil
		wantErr(t, bus.deliver(bad), nil)
		if counted != 1 {
			t.Errorf("counted %d times, want once", counted)
		}
		kept := bus.put[inboxTopic+".rejected"]
		if len(kept) != 1 || kept[0].ID != bad.ID || kept[0].Meta["from"] != "billing" || !bytes.Equal(kept[0].Body, bad.Body) {
			t.Fatalf("put aside: %+v, want it as it came", kept)
		}
		if _, changed := bad.Meta["posthorn-reason"]; changed {
			t.Error("the reason was written into the envelope that the bus may bring again")
		}
		if reason := kept[0].Meta["posthorn-reason"]; strings.ContainsAny(reason, "\n\r") || len(reason) > 1024 || reason == "" {
			t.Errorf("the reason is %q, want one line", reason)
		}
	})
}

// TestRejectedThatIsTooLargeIsCut: an envelope as large as the transport takes must not come again for ever because a reason is put on top.
func TestRejectedThatIsTooLargeIsCut(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b, bus := handed(t)
		defer b.close()
		bus.refuse = func(_ string, e ports.Envelope) error {
			if len(e.Body) > 512<<10 {
				return fmt.Errorf("the transport refuses it: %w", ports.ErrTooLarge)
			}
			return nil
		}
		large := ports.Envelope{ID: "large", Body: []byte(strings.Repeat(" ", 600<<10))}
		wantErr(t, bus.deliver(large), nil)
		kept := bus.put[inboxTopic+".rejected"]
		if len(kept) != 1 || len(kept[0].Body) != 64<<10 || kept[0].Meta["posthorn-cut"] != fmt.Sprint(600<<10) {
			t.Errorf("%d put aside, want the beginning of the envelope", len(kept))
		}
	})
}

// TestInboxLogsNothingPersonal: the reason goes where the envelope goes, and nowhere else.
func TestInboxLogsNothingPersonal(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var logs strings.Builder
		b, bus := handed(t, func(o *engine.Options) { o.Logger = slog.New(slog.NewJSONHandler(&logs, nil)) })
		wantErr(t, bus.deliver(ports.Envelope{ID: "e", Body: []byte(`{"company":"42","candidate":{"email":"ada.private"}}`)}), nil)
		b.close()
		if text := logs.String(); strings.Contains(text, "ada.private") || !strings.Contains(text, "email") {
			t.Errorf("the log says %s; want the field's name alone", text)
		}
		if reason := bus.put[inboxTopic+".rejected"][0].Meta["posthorn-reason"]; !strings.Contains(reason, "ada.private") {
			t.Errorf("the reason is %q, want the value in it", reason)
		}
	})
}

// TestInboxIsOffUnlessAskedFor: without Options.Inbox nobody subscribes.
func TestInboxIsOffUnlessAskedFor(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		bus := newHandBus()
		b := open(t, func(o *engine.Options) { o.Bus = bus })
		defer b.close()
		if _, on := bus.handlers[inboxTopic]; on {
			t.Error("the inbox is taken, though nobody asked for it")
		}
	})
}

// TestInboxMessageIsDelivered: what comes in goes out as what comes over the API.
func TestInboxMessageIsDelivered(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b, bus := handed(t)
		defer b.close()
		b.register(engine.NewWebhook{EventTypes: []string{"invoice.paid"}})
		wantErr(t, bus.deliver(ports.Envelope{ID: "e", Body: []byte(`{"company":"42","message":{"eventType":"invoice.paid","data":{"total":1}}}`)}), nil)
		pass(time.Second)
		requests := b.caller.Requests()
		if len(requests) != 1 {
			t.Fatalf("%d requests, want one", len(requests))
		}
		var body struct {
			Data json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(requests[0].Body, &body); err != nil || string(body.Data) != `{"total":1}` {
			t.Errorf("the receiver got %s", requests[0].Body)
		}
	})
}
