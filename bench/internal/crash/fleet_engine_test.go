package crash

import (
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"posthorn/harness"
)

// The engine is killed while a dispatcher holds its tasks, and their outcomes come to the broker while it is dead: the next life records
// them. What it tasks anew before it has read them is made once more, and no more than once.
func TestEngineDiesWhileADispatcherHoldsItsTasks(t *testing.T) {
	t.Parallel()
	ctx, dir, brokers := t.Context(), t.TempDir(), t.TempDir()
	if err := installSelf(brokers); err != nil {
		t.Fatal(err)
	}
	f, err := (&Fleet{Transport: "nats", Installed: brokers, Nodes: 1, Dispatchers: 1}).open(ctx, os.Args[0], dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newServer(ctx, os.Args[0], dir, f.env, f.flags...)
	if err == nil {
		err = s.start(ctx)
	}
	t.Cleanup(func() {
		if err := s.end(nil); err != nil {
			t.Error(err)
		}
		if err := f.end(nil); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	receiver, answer := harness.NewReceiver(t), make(chan struct{})
	const webhooks, messages = 4, 3
	receiver.Reply(harness.Reply{Times: webhooks * messages, Hold: answer})
	var none struct{}
	for n := range webhooks {
		body := map[string]any{"url": receiver.URL() + "/" + strconv.Itoa(n), "eventTypes": []string{"*"}}
		if err := s.api.must(ctx, http.MethodPost, companyPath(keyedCompany)+"/webhooks", body, &none); err != nil {
			t.Fatal(err)
		}
	}
	for range messages {
		if err := s.api.must(ctx, http.MethodPost, companyPath(keyedCompany)+"/messages", map[string]any{"eventType": "a", "data": 1}, &none); err != nil {
			t.Fatal(err)
		}
	}
	if err := receiver.Await(ctx, webhooks*messages); err != nil {
		t.Fatal(err)
	}
	if err := s.kill(); err != nil {
		t.Fatal(err)
	}
	close(answer)
	if err := s.start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.api.settled(ctx, []string{keyedCompany}); err != nil {
		t.Fatal(err)
	}
	if err := receiver.AwaitIdle(ctx, 500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for look := time.NewTicker(50 * time.Millisecond); ; <-look.C { // an outcome may be recorded after a later one has ended its call
		said := &testimony{companies: []string{keyedCompany}}
		if _, err := said.list(ctx, s.api, true); err != nil {
			t.Fatal(err)
		}
		if recorded := said.ofEpoch(t, 1); recorded == webhooks*messages {
			look.Stop()
			break
		}
	}
	if n := receiver.Account().Deliveries; n > 2*webhooks*messages {
		t.Errorf("%d deliveries of %d calls", n, webhooks*messages)
	}
}

// ofEpoch counts the outcomes that are recorded of one of the engine's lives. All calls have succeeded at their first attempt.
func (said *testimony) ofEpoch(t *testing.T, epoch uint64) (n int) {
	t.Helper()
	for _, c := range said.calls {
		if c.State != "succeeded" {
			t.Errorf("call %s is %s", c.ID, c.State)
		}
		for _, r := range said.attempts[c.ID] {
			if r.Attempt != 1 {
				t.Errorf("call %s has attempt %d", c.ID, r.Attempt)
			}
			if r.Epoch == epoch {
				n++
			}
		}
	}
	return n
}
