package crash

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"

	"posthorn"
	"posthorn/adapters/memstore"
	"posthorn/adapters/restycaller"
	"posthorn/engine"
	"posthorn/harness"
	"posthorn/internal/broker"
)

// serveBroker runs a nats-server in the test, and returns its address.
func serveBroker(t *testing.T) string {
	t.Helper()
	s, err := natsd.NewServer(&natsd.Options{Host: "127.0.0.1", Port: natsd.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the broker does not serve")
	}
	return s.Addr().String()
}

// An apart is an engine and a dispatcher that reach each other over a broker only.
type apart struct {
	*posthorn.Posthorn
	t        *testing.T
	receiver *harness.Receiver
}

// webhooksApart is how many there are: a new one gets four calls at a time.
const webhooksApart = 4

// newApart starts both, each with its way to the broker.
func newApart(t *testing.T, engineTo, dispatcherTo string) *apart {
	t.Helper()
	a, key := &apart{t: t, receiver: harness.NewReceiver(t)}, engine.NewKey([32]byte{1})
	bus, err := busOver(t.Context(), "nats://"+dispatcherTo)
	if err != nil {
		t.Fatal(err)
	}
	caller, err := restycaller.New(restycaller.Options{AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	d, err := engine.NewDispatcher(engine.DispatcherOptions{Bus: bus, Caller: caller, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- d.Run(context.WithoutCancel(t.Context())) }() // ends with Shutdown
	t.Cleanup(func() {
		if err := errors.Join(d.Shutdown(context.WithoutCancel(t.Context())), <-ran); err != nil {
			t.Error(err)
		}
	})
	if bus, err = busOver(t.Context(), "nats://"+engineTo); err != nil {
		t.Fatal(err)
	}
	a.Posthorn, err = posthorn.Open(t.Context(), posthorn.Options{Store: memstore.New(), Key: key, NoDispatch: true, Bus: bus, AllowPrivateTargets: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	for range webhooksApart {
		_, err := a.RegisterWebhook(t.Context(), posthorn.NewWebhook{Company: "42", URL: a.receiver.URL(), EventTypes: []string{"*"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func (a *apart) publish(n int) {
	a.t.Helper()
	for range n {
		if _, err := a.Publish(a.t.Context(), posthorn.NewMessage{Company: "42", EventType: "a", Data: []byte(`1`)}); err != nil {
			a.t.Fatal(err)
		}
	}
}

// wantSucceeded waits until so many calls have, and holds that no other call is.
func (a *apart) wantSucceeded(n int) {
	a.t.Helper()
	for event, err := range a.Follow(a.t.Context(), 0) {
		if err != nil {
			a.t.Fatal(err)
		}
		if event.Type == "CallSucceeded" {
			n--
		}
		if n == 0 {
			break
		}
	}
	for call, err := range a.Calls(a.t.Context(), posthorn.CallQuery{Company: "42"}) {
		if err != nil || call.State != posthorn.Succeeded {
			a.t.Errorf("call %s is %s: %v", call.ID, call.State, err)
		}
	}
}

// degraded waits until the engine says that it cannot reach the broker, or that it can.
func (a *apart) degraded(want bool) {
	a.t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for (a.Degraded(a.t.Context()) != nil) != want {
		<-look.C // the test's own limit ends it
	}
}

// The network between engine and broker is cut while attempts are under way: the engine accepts, says so, and loses nothing. What was under
// way ends when the network is back and is not repeated, for its leases have not ended; of what was accepted meanwhile only what was being
// published may come twice, for nobody knows whether the broker has it. Where there is time the cut lasts 30 s: then the connection has been
// given up and is made anew, and the leases have ended.
func TestNetworkCut(t *testing.T) {
	t.Parallel()
	server := serveBroker(t)
	network := newNetwork(t, server, 0)
	a := newApart(t, network.listener.Addr().String(), server)
	answer := make(chan struct{})
	const before, meanwhile = 2, 5
	a.receiver.Reply(harness.Reply{Times: before * webhooksApart, Hold: answer})
	a.publish(before)
	if err := a.receiver.Await(t.Context(), before*webhooksApart); err != nil {
		t.Fatal(err)
	}
	network.cut()
	close(answer)
	a.publish(meanwhile)
	a.degraded(true)
	long := os.Getenv(broker.Variable) != ""
	if long {
		if err := pause(t.Context(), beginWithin+defaultTimeout+carryTime); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Ready(t.Context()); err != nil {
		t.Errorf("the engine accepts nothing while its broker is away: %v", err)
	}
	a.publish(meanwhile)
	network.mend()
	a.wantSucceeded((before + 2*meanwhile) * webhooksApart)
	a.degraded(false)
	first := map[string]bool{} // messages of before the cut
	times := map[string]int{}
	for i, d := range a.receiver.Deliveries() {
		first[d.ID] = first[d.ID] || i < before*webhooksApart
		times[d.ID]++
	}
	for id, n := range times {
		if most := 2 * webhooksApart; n < webhooksApart || n > most || first[id] && n > webhooksApart && !long {
			t.Errorf("message %s came %d times to %d webhooks, under way at the cut: %v", id, n, webhooksApart, first[id])
		}
	}
}

// A broker that is 100 ms away, from both sides, delays calls and repeats none.
func TestSlowBroker(t *testing.T) {
	t.Parallel()
	server := serveBroker(t)
	late := func() string { return newNetwork(t, server, 50*time.Millisecond).listener.Addr().String() }
	a := newApart(t, late(), late())
	const messages = 25
	a.publish(messages)
	a.wantSucceeded(messages * webhooksApart)
	if n := a.receiver.Account().Deliveries; n != messages*webhooksApart {
		t.Errorf("%d deliveries of %d calls", n, messages*webhooksApart)
	}
}
