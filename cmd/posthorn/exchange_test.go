package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	natsio "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"posthorn"
	"posthorn/harness"
)

// TestExchangeOverNATS: a program that knows nothing of ours but the pages of docs hands in messages and candidates over a broker, finds
// what was refused, and reads what came of the rest.
func TestExchangeOverNATS(t *testing.T) {
	t.Parallel()
	url := natsWithin(t)
	stranger, err := natsio.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	events, rejected := listens(t, stranger, "posthorn.events"), listens(t, stranger, "posthorn.inbox.rejected")

	c := &serveFlags{Data: t.TempDir(), Listen: "127.0.0.1:0", Inbox: true, PublishEvents: true}
	c.Transport, c.Dev, c.Grace = url, true, time.Minute
	s, err := c.start(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	receiver := harness.NewReceiver(t)
	if _, err := s.engine.RegisterWebhook(t.Context(), posthorn.NewWebhook{Company: "42", URL: receiver.URL(), EventTypes: []string{"*"}}); err != nil {
		t.Fatal(err)
	}

	binary := natsio.Header{"Ce-Specversion": {"1.0"}, "Ce-Id": {"2"}, "Ce-Source": {"/billing"}, "Ce-Type": {"invoice.paid"}, "Ce-Company": {"42"}}
	for range 2 { // all of it twice
		hand(t, stranger, nil, `{"company":"42","idempotencyKey":"inv-7","message":{"eventType":"invoice.paid","data":{"total":1}}}`)
		hand(t, stranger, nil, `{"company":"42","idempotencyKey":"ada","candidate":{"email":"ada@example.com","firstName":"Ada","lastName":"Lovelace"}}`)
		hand(t, stranger, nil, `{"specversion":"1.0","id":"1","source":"/billing","type":"invoice.paid","company":"42","data":{"total":2}}`)
		hand(t, stranger, binary, `{"total":3}`)
		hand(t, stranger, nil, `{"company":"42","message":{"eventType":"invoice paid","data":1}}`)
	}
	for range 2 {
		m, err := rejected.NextMsg(30 * time.Second)
		if err != nil {
			t.Fatalf("nothing came on inbox.rejected: %v", err)
		}
		if reason := m.Header.Get("posthorn-reason"); !strings.Contains(reason, `event type "invoice paid" is refused`) {
			t.Errorf("rejected for the reason %q", reason)
		}
	}
	told := map[string]int{}
	for seq := uint64(0); told["CallSucceeded"] < 4; {
		m, err := events.NextMsg(30 * time.Second)
		if err != nil {
			t.Fatalf("no further event came after %v: %v", told, err)
		}
		var e struct {
			Data struct {
				Seq  uint64 `json:"seq"`
				Type string `json:"type"`
			} `json:"data"`
		}
		if err := json.Unmarshal(m.Data, &e); err != nil || e.Data.Seq > seq+1 {
			t.Fatalf("event %s came after %d: %v", m.Data, seq, err)
		}
		if e.Data.Seq == seq+1 {
			seq = e.Data.Seq
			told[e.Data.Type]++
		}
	}
	if got, want := fmt.Sprint(told["MessagePublished"], told["CandidateCreated"], receiver.Account().Unique), "4 1 4"; got != want {
		t.Errorf("messages, candidates, calls: %s, want %s; events: %v", got, want, told)
	}
	if err := s.stop(c.Grace); err != nil {
		t.Error(err)
	}
}

// listens is a subscription that is in force.
func listens(t *testing.T, stranger *natsio.Conn, subject string) *natsio.Subscription {
	t.Helper()
	sub, err := stranger.SubscribeSync(subject)
	if err == nil {
		err = stranger.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// hand publishes on the inbox, and waits until the broker has it; the engine may just be making the stream.
func hand(t *testing.T, stranger *natsio.Conn, header natsio.Header, body string) {
	t.Helper()
	js, err := jetstream.New(stranger)
	if err != nil {
		t.Fatal(err)
	}
	m := &natsio.Msg{Subject: "posthorn.inbox", Header: header, Data: []byte(body)}
	if _, err := js.PublishMsg(t.Context(), m, jetstream.WithRetryAttempts(600), jetstream.WithRetryWait(50*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
}
