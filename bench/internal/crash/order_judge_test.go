package crash

import (
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn/harness"
)

const orderedPath = "/ordered-1/1"

// honestOrder is what is said of a run in which one webhook was told m1, m2 and m3 in this order, two attempts each at the most: m1 was refused,
// then taken; m2 was taken, but a kill fell after 10 s before that was stored, so that it came again; m3 was refused as often as it was tried.
func honestOrder() *testimony {
	t := &testimony{
		ordered:   &ordered{companies: []string{"ordered-1"}, hooks: []hook{{"ordered-1", orderedPath}}},
		companies: []string{"ordered-1"}, tries: 2, timeout: time.Second,
		told:   accepted{keyed: map[string]int{"m1": 0, "m2": 1, "m3": 2}},
		kills:  []kill{{number: 1, began: at(0), at: at(10), unanswered: 1, underWay: 1}},
		epochs: []epoch{{1, at(1)}, {2, at(11)}},
		ended:  map[string]time.Time{"c1": at(7.2), "c2": at(12.2), "c3": at(15.2)},
		attempts: map[string][]attempt{
			"c1": {{Call: "c1", Attempt: 1, Epoch: 1, Status: 500}, {Call: "c1", Attempt: 2, Epoch: 1, Status: 204}},
			"c2": {{Call: "c2", Attempt: 1, Epoch: 2, Status: 204}},
			"c3": {{Call: "c3", Attempt: 1, Epoch: 2}, {Call: "c3", Attempt: 2, Epoch: 2, Status: 500}},
		},
		accounts: map[string]harness.Account{orderedPath: {Deliveries: 6, Unique: 3, Expected: 3}},
	}
	for n, id := range []string{"1", "2", "3"} {
		t.calls = append(t.calls, call{ID: "c" + id, Message: "m" + id, State: "succeeded", path: orderedPath})
		t.requested = append(t.requested, request{Call: "c" + id, Company: "ordered-1", Message: "m" + id, seq: uint64(20 + n), path: orderedPath})
	}
	t.calls[2].State = "failed"
	seen := func(message string, seconds float64, status int) delivery {
		return delivery{path: orderedPath, message: message, at: at(seconds), answered: at(seconds + 0.1), status: status, verified: true}
	}
	t.deliveries = []delivery{
		seen("m1", 6, 500), seen("m1", 7, 204), seen("m2", 9, 204), seen("m2", 12, 204), seen("m3", 14, 0), seen("m3", 15, 500),
	}
	return t
}

func TestJudgeOfAnHonestOrder(t *testing.T) {
	t.Parallel()
	v := honestOrder().judge()
	if len(v.faults) > 0 || v.repeats != 1 || len(v.rows) != 1 {
		t.Fatalf("faults %v, %d repeats, %d webhooks", v.faults, v.repeats, len(v.rows))
	}
	var out strings.Builder
	if err := v.print(&out, time.Second); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/ordered-1/1 3 2 1 6 1 0 0 0 0 0", "1 in all 3 2 1 6 1 0 0 0 0 0", "3 accepted, 3 calls, 6 deliveries, 1 of them repeats", "lost 0, other faults 0"} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// TestJudgeSeesDisorder plants one lie after the other.
func TestJudgeSeesDisorder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lie  func(*testimony)
		want fault
	}{
		"a call that passes one that waits for its retry": {func(t *testimony) {
			t.deliveries[2].at = at(6.5)
			slices.SortFunc(t.deliveries, func(a, b delivery) int { return a.at.Compare(b.at) })
		}, fault{overtaken, "webhook /ordered-1/1: call c2 (seq 21) came at 00:00:06.500000, before call c1 (seq 20) had ended"}},
		"a call that comes while the one before is answered": {
			func(t *testimony) { t.deliveries[1].answered = at(9.5) },
			fault{overtaken, "call c2 (seq 21) came at 00:00:09.000000, before call c1 (seq 20) had ended"},
		},
		"a call that comes before the log has the end of the one before": {
			func(t *testimony) { t.ended["c1"] = at(9.5) },
			fault{overtaken, "call c2 (seq 21) came at 00:00:09.000000, before call c1 (seq 20) had ended"},
		},
		"a call after one that was held back by a kill": {func(t *testimony) {
			t.deliveries[2].held, t.deliveries[3].held = 1, 1
		}, fault{overtaken, "call c3 (seq 22) came at 00:00:14.000000, before call c2 (seq 21) had ended"}},
		"a call after one that is still to be tried": {
			func(t *testimony) {
				t.tries, t.calls[1].State, t.deliveries[2].status, t.deliveries[3].status = 5, "failed", 500, 500
			},
			fault{overtaken, "call c3 (seq 22) came at 00:00:14.000000, before call c2 (seq 21) had ended"},
		},
		"a call left out": {
			func(t *testimony) { t.deliveries = slices.Delete(t.deliveries, 2, 4) },
			fault{overtaken, "call c3 (seq 22) came at 00:00:14.000000, before call c2 (seq 21) had ended"},
		},
		"a late copy": {func(t *testimony) {
			t.deliveries = append(t.deliveries, delivery{path: orderedPath, message: "m2", at: at(15.5), answered: at(15.6), status: 204, verified: true})
		}, fault{overtaken, "call c2 (seq 21) came again at 00:00:15.500000, after call c3 (seq 22) had come"}},
		"another account of the receiver": {
			func(t *testimony) { t.accounts[orderedPath] = harness.Account{Expected: 3, Late: []string{"m2"}} },
			fault{overtaken, "webhook /ordered-1/1, by the receiver's own account: "},
		},
		"an accepted message that is gone": {
			func(t *testimony) { t.told.keyed["m9"] = 9 },
			fault{lost, "message m9, number 9: it was accepted and has no call to /ordered-1/1"},
		},
		"a message that never came": {func(t *testimony) { t.deliveries = t.deliveries[:4] }, fault{lost, "message m3 never came to /ordered-1/1 (call c3)"}},
		"a command that made two":   {func(t *testimony) { delete(t.told.keyed, "m3") }, fault{twice, "message m3 of ordered-1: no client was told"}},
		"two calls of one message": {
			func(t *testimony) {
				t.requested = append(t.requested, request{Call: "c9", Message: "m3", path: orderedPath})
			},
			fault{twice, "message m3 has calls c3 and c9 at /ordered-1/1"},
		},
		"a call that gave up too early": {func(t *testimony) { t.tries = 3 }, fault{open, "call c3 is failed"}},
	} {
		said := honestOrder()
		c.lie(said)
		v := said.judge()
		if !slices.ContainsFunc(v.faults, func(f fault) bool { return f.kind == c.want.kind && strings.Contains(f.what, c.want.what) }) {
			t.Errorf("%s: want %v among %v", name, c.want, v.faults)
		}
	}
}

// TestJudgeOfAFleetsLateCopy: a copy that a kill explains is a repeat, and no overtaking.
func TestJudgeOfAFleetsLateCopy(t *testing.T) {
	t.Parallel()
	said := honestOrder()
	said.fleet = true
	said.kills = []kill{{number: 1, kind: EngineKilled, what: "engine", how: sigkill, at: at(8.9), back: time.Second}}
	for call, records := range said.attempts {
		for i := range records {
			r := &said.attempts[call][i]
			r.StartedAt, r.TookMS, r.Lease = at(map[string][]float64{"c1": {5.999, 6.999}, "c2": {11.999}, "c3": {13.999, 14.999}}[call][i]), 100, 1
			r.stored = r.StartedAt.Add(200 * time.Millisecond)
		}
	}
	copied := said.deliveries[2]
	said.deliveries = slices.Delete(said.deliveries, 2, 3)
	copied.at, copied.answered = at(14.5), at(14.6)
	said.deliveries = slices.Insert(said.deliveries, 4, copied)
	said.kills[0].at = at(11.9)
	v := said.judge()
	if len(v.faults) > 0 || v.rows[0].twins != 1 || v.repeats != 1 || v.because.underWay != 1 {
		t.Errorf("faults %v, %+v, %d repeats as %+v", v.faults, v.rows[0], v.repeats, v.because)
	}
	said.kills = nil
	if v := said.judge(); !slices.ContainsFunc(v.faults, func(f fault) bool { return f.kind == repeated }) {
		t.Errorf("a late copy that nothing explains: %v", v.faults)
	}
}
