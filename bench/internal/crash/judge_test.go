package crash

import (
	"strings"
	"testing"
	"time"
)

var base = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return base.Add(time.Duration(seconds * float64(time.Second))) }

// honest is what is said of a run with a kill after 10 s: candidate c1 by /v1, whose call to the steady path was under way then, and whose
// call to the flaky path failed before the kill and succeeded after; c2 by the seed's route, told before the kill; and c3 by the seed's
// route, of which no client knows.
func honest() *testimony {
	made := func(id, message, candidate, path string) call {
		c := call{ID: id, Message: message, State: "succeeded", path: path}
		c.Resource.ID = candidate
		return c
	}
	seen := func(path, message string, seconds float64, status, held int) delivery {
		return delivery{path: path, message: message, at: at(seconds), status: status, held: held, verified: true}
	}
	return &testimony{
		tries:      len(schedule()) + 1,
		told:       accepted{keyed: map[string]int{"c1": 1}, seed: map[string]int{"c2": 4}, maybe: 1},
		kills:      []kill{{number: 1, began: at(0), at: at(10), unanswered: 1, underWay: 1}},
		epochs:     []epoch{{1, at(1)}, {2, at(11)}},
		candidates: map[string][]string{keyedCompany: {"c1"}, seedCompany: {"c2", "c3"}},
		calls: []call{
			made("steady", "m1", "c1", steadyPath), made("flaky", "m1", "c1", flakyPath),
			made("seed", "m2", "c2", seedPath), made("unknown", "m3", "c3", seedPath),
		},
		attempts: map[string][]attempt{
			"steady": {{Call: "steady", Attempt: 1, Epoch: 2, Status: 204}}, "flaky": {{Call: "flaky", Attempt: 1, Epoch: 1, Status: 503}, {Call: "flaky", Attempt: 2, Epoch: 2, Status: 204}},
			"seed": {{Call: "seed", Attempt: 1, Epoch: 1, Status: 204}}, "unknown": {{Call: "unknown", Attempt: 1, Epoch: 1, Status: 204}},
		},
		deliveries: []delivery{
			seen(steadyPath, "m1", 9, 204, 1), seen(steadyPath, "m1", 12, 204, 0),
			seen(flakyPath, "m1", 8, 503, 0), seen(flakyPath, "m1", 13, 204, 0),
			seen(seedPath, "m2", 7, 204, 0), seen(seedPath, "m3", 7.5, 204, 0),
		},
	}
}

func TestJudgeOfAnHonestRun(t *testing.T) {
	t.Parallel()
	v := honest().judge()
	if len(v.faults) > 0 || v.repeats != 1 || v.kills[0].unknown != 1 || v.kills[0].repeated != 1 {
		t.Errorf("faults %v, %d repeats, kill %+v", v.faults, v.repeats, v.kills[0])
	}
}

// TestJudgeSees plants one lie after the other.
func TestJudgeSees(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lie  func(*testimony)
		want fault
	}{
		"an accepted candidate that is gone": {func(t *testimony) { t.told.keyed["c9"] = 9 }, fault{lost, "candidate c9, number 9"}},
		"a candidate without a call": {func(t *testimony) {
			t.candidates[seedCompany] = append(t.candidates[seedCompany], "c4")
			t.told.seed["c4"] = 8
		}, fault{lost, "candidate c4 has no call to /seed"}},
		"a message that never came":     {func(t *testimony) { t.deliveries = t.deliveries[:5] }, fault{lost, "its message m3 never came to /seed (call unknown"}},
		"a keyed command that made two": {func(t *testimony) { t.candidates[keyedCompany] = append(t.candidates[keyedCompany], "c5") }, fault{twice, "candidate c5: no client was told"}},
		"more candidates than commands": {func(t *testimony) { t.told.maybe = 0 }, fault{twice, "candidate c3: no client was told"}},
		"a candidate listed twice":      {func(t *testimony) { t.candidates[keyedCompany] = []string{"c1", "c1"} }, fault{twice, "candidate c1 is listed twice"}},
		"two calls for one webhook": {func(t *testimony) {
			again := t.calls[0]
			again.ID, again.Message = "second", "m9"
			t.calls = append(t.calls, again)
		}, fault{twice, "candidate c1 has 2 calls to /steady"}},
		"a call that is open": {func(t *testimony) { t.calls[0].State = "pending" }, fault{open, "call steady is pending"}},
		"a call that gave up too early": {func(t *testimony) {
			t.calls[1].State, t.attempts["flaky"][1].Status, t.deliveries[3].status = "failed", 503, 503
		}, fault{open, "call flaky is failed"}},
		"a success that nobody saw":        {func(t *testimony) { t.deliveries = append(t.deliveries[:1:1], t.deliveries[2:]...) }, fault{unseen, "call steady: attempt 1 in epoch 2"}},
		"another status than was answered": {func(t *testimony) { t.deliveries[2].status = 204 }, fault{unseen, "call flaky: attempt 1 in epoch 1 is recorded with status 503"}},
		"an outcome before its answer":     {func(t *testimony) { t.deliveries[4].held = 1 }, fault{unseen, "call seed: attempt 1 in epoch 1"}},
		"a delivery of no call":            {func(t *testimony) { t.deliveries[5].message = "m7" }, fault{unknown, "message m7 came to /seed 1 times"}},
		"a delivery that is not recorded":  {func(t *testimony) { t.attempts["steady"] = nil }, fault{unknown, "call steady: message m1 came to /steady and no kill followed"}},
		"an attempt after a stored success": {func(t *testimony) {
			t.deliveries = append(t.deliveries, delivery{path: seedPath, message: "m2", at: at(12), status: 204, verified: true})
		}, fault{repeated, "call seed: message m2 came to /seed although its success was stored"}},
		"two attempts in one life": {func(t *testimony) {
			t.deliveries = append([]delivery{{path: steadyPath, message: "m1", at: at(8), status: 204, verified: true}}, t.deliveries...)
		}, fault{repeated, "call steady: message m1 came to /steady again without a kill between"}},
		"an attempt recorded twice":  {func(t *testimony) { t.attempts["flaky"][1].Attempt = 1 }, fault{repeated, "call flaky: attempt 1 is recorded as the 2th"}},
		"other bytes the next time":  {func(t *testimony) { t.deliveries[1].body = 7 }, fault{changed, "message m1 at /steady"}},
		"a signature that is wrong":  {func(t *testimony) { t.deliveries[0].verified = false }, fault{unsigned, "message m1 at /steady"}},
		"another answer on rebuild":  {func(t *testimony) { t.different = []string{"/x"} }, fault{different, "GET /x"}},
		"two calls of one message":   {func(t *testimony) { t.calls = append(t.calls, t.calls[0]) }, fault{twice, "call steady: message m1 has another call at /steady"}},
		"more under way than can be": {func(t *testimony) { t.kills[0].unknown = window }, fault{repeated, "kill 1: 1 attempts came again, 1025 were under way"}},
	} {
		testimony := honest()
		c.lie(testimony)
		found := false
		v := testimony.judge()
		for _, f := range v.faults {
			found = found || f.kind == c.want.kind && strings.Contains(f.what, c.want.what)
		}
		if !found {
			t.Errorf("%s: want %v among %v", name, c.want, v.faults)
		}
	}
}

func TestPrintNamesFaults(t *testing.T) {
	t.Parallel()
	lying := honest()
	lying.told.keyed["c9"] = 9
	for range shown + 5 {
		lying.different = append(lying.different, "/x")
	}
	lying.kills = append(lying.kills, kill{number: 2, began: at(11), at: at(11)})
	var out strings.Builder
	if err := lying.judge().print(&out, 1500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"LOST  candidate c9, number 9: it was accepted and is not there\n", "DIFFERENT  25 in all\n", "not counted\n",
		"1 kills, and 0 while it started; at a kill 1/1/1 commands unanswered, 1/1/1 attempts under way (least/median/most)\n",
		"lost 1, other faults 25, in 1.5 s\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if n := strings.Count(out.String(), "DIFFERENT  GET"); n != shown {
		t.Errorf("%d faults of a kind are spelled out, want %d", n, shown)
	}
}
