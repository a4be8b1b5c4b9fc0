package load

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"posthorn/harness"
)

// newTestLedger is of a run of 100 messages a second for a second, for 2 companies with 2 webhooks each, that began a second ago.
func newTestLedger(t *testing.T, faults string, schedule ...time.Duration) *ledger {
	t.Helper()
	f, err := ParseFaults(faults)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Pace: Pace{Rate: 100, Duration: time.Second}, Companies: 2, Webhooks: 2, Faults: f, Seed: 1, Schedule: schedule,
		Target: Target{Register: func(context.Context, Subscription) (Webhook, error) { return Webhook{}, nil }},
	}
	l := newLedger(o.withDefaults(), "run")
	for i := range 4 {
		l.know("/run/"+strconv.Itoa(i), Webhook{ID: "hook" + strconv.Itoa(i)}, i)
	}
	l.begin(time.Now().Add(-time.Second))
	return l
}

func (l *ledger) testAccept(n int, id string) {
	l.triggered(n, l.start, l.start, l.start.Add(time.Millisecond), id, nil)
}

// came is a delivery of message n at a webhook, answered with a status; verified.
func came(id string, hook, status int) harness.Delivery {
	return harness.Delivery{
		ID: id, Path: "/run/" + strconv.Itoa(hook), At: time.Now(), Status: status, Signature: harness.Check{Result: harness.Valid},
	}
}

func TestLedgerNamesWhatWentWrong(t *testing.T) {
	t.Parallel()
	l := newTestLedger(t, "")
	for n := range 4 {
		l.testAccept(n, "")
	}
	l.triggered(4, l.start, l.start, l.start, "", errors.New("no"))
	for _, n := range []int{2, 0} { // company 0: webhooks 0 and 1; 2 comes first
		l.arrived(came(l.id(n), 0, 204))
		l.arrived(came(l.id(n), 1, 204))
	}
	again := came(l.id(0), 1, 204)
	again.Repeat, again.Duplicate = 1, true
	l.arrived(again)
	forged := came(l.id(1), 2, 204)
	forged.Signature = harness.Check{Result: harness.Wrong, Reason: "other key"}
	l.arrived(forged)
	l.arrived(came(l.id(1), 0, 204)) // of the other company
	l.arrived(came("else", 0, 204))
	l.arrived(came("run-0000100", 0, 204))
	l.arrived(came(l.id(3), 2, 500))
	l.arrived(came(l.id(3), 3, 204))

	r := l.result(Generated{Planned: 5, Sent: 5})
	got := map[string][]string{
		"lost": r.Lost.IDs, "duplicated": r.Duplicated.IDs, "bad": r.Bad.IDs, "unfinished": r.Unfinished.IDs, "refused": r.Refused.IDs,
		"strange": r.Strange.IDs,
	}
	want := map[string][]string{
		"lost": {"run-0000001 at /3"}, "duplicated": {"run-0000000 at /1"}, "bad": {"run-0000001 at /2"}, "unfinished": {"run-0000003 at /2"},
		"refused": {"run-0000004"}, "strange": {"else at /run/0", "run-0000001 at /run/0", "run-0000100 at /run/0"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if r.Expected != 8 || r.Arrived != 7 || r.Deliveries != 11 || r.Repeats != 1 || r.OutOfOrder != 2 || r.Refusal() == nil {
		t.Errorf("%+v", r)
	}
	if r.judge(nil); r.OK {
		t.Error("OK")
	}
}

// Where a key is known, a delivery without any signature is as bad as one with a wrong one; where none is, it cannot be told.
func TestLedgerWantsSignatures(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"", "s"} {
		l := newTestLedger(t, "")
		l.know("/run/0", Webhook{Secret: secret}, 0)
		l.testAccept(0, "")
		plain := came(l.id(0), 0, 204)
		plain.Signature = harness.Check{}
		l.arrived(plain)
		if r := l.result(Generated{}); r.Bad.Count != len(secret) || r.Unchecked != 1-len(secret) {
			t.Errorf("secret %q: %d bad, %d unchecked", secret, r.Bad.Count, r.Unchecked)
		}
	}
}

// A sender that names messages itself, and delivers before it answers.
func TestLedgerTakesAliasesThatCameEarly(t *testing.T) {
	t.Parallel()
	l := newTestLedger(t, "")
	l.arrived(came("evt_1", 0, 204))
	l.arrived(came("evt_2", 0, 204))
	l.testAccept(0, "evt_1")
	l.arrived(came("evt_1", 1, 204))
	r := l.result(Generated{})
	if r.Arrived != 2 || r.Lost.Count != 0 || len(r.Strange.IDs) != 1 || r.Strange.IDs[0] != "evt_2 at /run/0" {
		t.Errorf("%+v", r)
	}
}

func TestLedgerDrains(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	open := func(l *ledger) bool { return l.drained(ended, time.Hour, func() {}) != nil }

	l := newTestLedger(t, "")
	l.testAccept(0, "")
	l.arrived(came(l.id(0), 0, 204))
	if !open(l) {
		t.Error("drained before the second webhook had it")
	}
	waiting := make(chan error)
	go func() { waiting <- l.drained(t.Context(), time.Hour, func() {}) }()
	l.arrived(came(l.id(0), 1, 500))
	l.arrived(came(l.id(0), 1, 204))
	if err := <-waiting; err != nil {
		t.Error(err)
	}

	// Each message is always refused, so a call ends with its last attempt, of which there are three.
	l = newTestLedger(t, "status=500:100%:all", time.Second, time.Second)
	l.testAccept(0, "")
	for range 3 {
		for hook := range 2 {
			if !open(l) {
				t.Error("drained before its attempts were used up")
			}
			l.arrived(came(l.id(0), hook, 500))
		}
	}
	if open(l) {
		t.Error("not drained")
	}
	r := l.result(Generated{})
	if c := r.Classes[0]; c.Fault != "status=500:all" || c.Right != 2 || c.Confirmed != 0 || c.Deliveries != 6 || r.Unfinished.Count != 0 {
		t.Errorf("%+v", r.Classes)
	}
}

// A sender that is slow is waited for, one that stands still is given up.
func TestLedgerWaitsWhileSomethingMoves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newTestLedger(t, "")
		l.testAccept(0, "")
		l.testAccept(2, "")
		start, moves := time.Now(), 0
		type end struct {
			err   error
			after time.Duration
		}
		ended := make(chan end)
		go func() {
			err := l.drained(t.Context(), 30*time.Second, func() { moves++ })
			ended <- end{err, time.Since(start)}
		}()
		for _, n := range []int{0, 2} {
			<-time.After(25 * time.Second)
			l.arrived(came(l.id(n), 0, 500)) // is no end
			l.arrived(came(l.id(n), 0, 204))
		}
		<-time.After(25 * time.Second)
		l.arrived(came(l.id(0), 1, 500)) // nor is this
		if got := <-ended; !errors.Is(got.err, errStalled) || got.after < 80*time.Second || got.after > 85*time.Second || moves != 3 {
			t.Errorf("%v after %v and %d moves", got.err, got.after, moves)
		}
	})
}

func TestHistoryIsCompared(t *testing.T) {
	t.Parallel()
	l := newTestLedger(t, "status=500:100%:all")
	for n := range 2 {
		l.testAccept(n, "msg_"+strconv.Itoa(n))
	}
	answers := [][]Call{
		{{"msg_0", "hook0", Pending}},
		{
			{"msg_0", "hook0", Failed},
			{"msg_0", "hook1", Succeeded},  // it was never answered with a 2xx
			{l.id(1), "hook2", Failed},     // under its own id
			{"msg_1", "hook1", Failed},     // of the other company
			{"msg_9", "hook1", Failed},     // of another run
			{"msg_1", "elsewhere", Failed}, // at another webhook
		},
	}
	h := askHistory(t.Context(), l, []string{"c"}, func(_ context.Context, _ string, each func(Call)) error {
		for _, c := range answers[0] {
			each(c)
		}
		answers = answers[1:]
		return nil
	})
	want := &History{
		States: map[CallState]int{Failed: 2, Succeeded: 1}, Wrong: Named{1, []string{"run-0000000 at /1"}}, Missing: Named{1, []string{"run-0000001 at /3"}},
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
	broken := errors.New("broken")
	if h := askHistory(t.Context(), l, []string{"c"}, func(context.Context, string, func(Call)) error { return broken }); h.Err != "broken" || h.Missing.Count != 0 {
		t.Errorf("%+v", h)
	}
}

func TestSamplesAreThinned(t *testing.T) {
	t.Parallel()
	s := sampler{l: newTestLedger(t, ""), samples: []Sample{{}}}
	for i := range 10 * maxSamples {
		s.take(time.Duration(i)*time.Millisecond, counts{})
		if len(s.samples) > maxSamples {
			s.thin()
		}
	}
	if n := len(s.samples); n > maxSamples || n < maxSamples/2 || s.samples[0].At != 0 {
		t.Errorf("%d samples from %v", n, s.samples[0])
	}
}
