package crash

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// honestFleet is what is said of a run in which a dispatcher was killed after 10 s, the broker after 40, the engine after 80: candidate c1 by
// /v1, whose call to the steady path the dispatcher died with, and whose call to the flaky path failed before and succeeded after; c2 by the
// seed's route, which the engine had tasked when it was killed; and c3 by the seed's route, of which the broker held the outcome back.
func honestFleet() *testimony {
	t := honest()
	t.fleet, t.began, t.timeout = true, at(0), 15*time.Second
	t.kills = []kill{
		{number: 1, kind: DispatcherKilled, what: "dispatcher 2", how: sigkill, at: at(10), back: time.Second, underWay: 2},
		{number: 2, kind: BrokerKilled, what: "broker node 1", how: sigkill, at: at(40), back: 5 * time.Second, underWay: 1},
		{number: 3, kind: EngineKilled, what: "engine", how: sigkill, at: at(80), back: 2 * time.Second, underWay: 1},
	}
	t.epochs = []epoch{{1, at(1)}, {2, at(82)}}
	made := func(call string, n, lease int, epoch uint64, seconds float64, status int, stored float64) attempt {
		return attempt{
			Call: call, Attempt: n, Lease: lease, Epoch: epoch, Status: status,
			StartedAt: at(seconds - 0.001), TookMS: 20, stored: at(stored),
		}
	}
	t.attempts = map[string][]attempt{
		"steady":  {made("steady", 1, 2, 1, 39, 204, 39.1)},
		"flaky":   {made("flaky", 1, 1, 1, 8, 503, 8.1), made("flaky", 2, 1, 1, 13, 204, 13.1)},
		"seed":    {made("seed", 1, 1, 1, 79.5, 204, 82.2), made("seed", 1, 1, 2, 83, 204, 83.1)},
		"unknown": {made("unknown", 1, 1, 1, 51, 204, 75), made("unknown", 1, 2, 1, 72, 204, 75)},
	}
	seen := func(path, message string, seconds float64, status int) delivery {
		return delivery{path: path, message: message, at: at(seconds), status: status, verified: true}
	}
	t.deliveries = []delivery{
		seen(flakyPath, "m1", 8, 503), seen(steadyPath, "m1", 9, 204), seen(flakyPath, "m1", 13, 204), seen(steadyPath, "m1", 39, 204),
		seen(seedPath, "m3", 51, 204), seen(seedPath, "m3", 72, 204), seen(seedPath, "m2", 79.5, 204), seen(seedPath, "m2", 83, 204),
	}
	return t
}

func TestJudgeOfAnHonestFleet(t *testing.T) {
	t.Parallel()
	v := honestFleet().judge()
	if want := (reasons{underWay: 2, leases: 1}); len(v.faults) > 0 || v.repeats != 3 || v.because != want {
		t.Errorf("faults %v, %d repeats, %+v, want 3 as %+v", v.faults, v.repeats, v.because, want)
	}
	for i, want := range []struct{ unknown, repeated int }{{1, 1}, {0, 0}, {0, 1}} {
		if k := v.kills[i]; k.unknown != want.unknown || k.repeated != want.repeated {
			t.Errorf("kill %d: %d not recorded, %d repeated; want %+v", k.number, k.unknown, k.repeated, want)
		}
	}
	var out strings.Builder
	if err := v.print(&out, time.Second); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1 10.0 s dispatcher 2 SIGKILL 0 0 2 1 1 1s", "3 kills, each with attempts under way: 1/1/2 ",
		"of the repeats 2 were under way at a kill, 1 had a lease that ended, 0 had a task that came twice", "lost 0, other faults 0, in 1.0 s",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// A copy of a task may be made while it may still be begun, when a process that was to note it had gone.
func TestJudgeOfCopies(t *testing.T) {
	t.Parallel()
	const first = 21 // the second attempt of the flaky call, with no kill near
	for _, c := range []struct {
		kind, how    string
		second       float64
		want         reasons
		fault, cause string
	}{
		{DispatcherStopped, sigterm, 26, reasons{2, 1, 1}, "", "a dispatcher left while it had the task"},
		{DispatcherKilled, sigkill, 26, reasons{2, 1, 1}, "", "a dispatcher died while it had the task"},
		{BrokerKilled, sigkill, 26, reasons{2, 1, 1}, "", "the broker forgot who had the task"},
		{EngineKilled, sigkill, 26, reasons{2, 1, 0}, "no kill explains it", "the engine hands no task out twice"},
		{DispatcherStopped, sigterm, 32.5, reasons{2, 1, 0}, "11.4s after the attempt's outcome was stored", "the task could not be begun any more"},
		{"", "", 26, reasons{2, 1, 0}, "no kill explains it", "nothing happened"},
	} {
		said := honestFleet()
		said.attempts["flaky"][1].StartedAt, said.attempts["flaky"][1].stored = at(first-0.001), at(first+0.1)
		said.deliveries[2].at = at(first)
		again := said.deliveries[2]
		again.at = at(c.second)
		said.deliveries = append(said.deliveries, again)
		if c.kind != "" {
			said.kills = append(said.kills, kill{number: 4, kind: c.kind, how: c.how, at: at(24), back: time.Second})
		}
		v := said.judge()
		if v.because != c.want || c.fault == "" != (len(v.faults) == 0) {
			t.Errorf("%s: %+v, %v; want %+v", c.cause, v.because, v.faults, c.want)
		}
		if c.fault != "" && !slices.ContainsFunc(v.faults, func(f fault) bool { return f.kind == repeated && strings.Contains(f.what, c.fault) }) {
			t.Errorf("%s: %v; want %q", c.cause, v.faults, c.fault)
		}
	}
}

// TestJudgeOfAFleetSees plants one lie after the other.
func TestJudgeOfAFleetSees(t *testing.T) {
	t.Parallel()
	drop := func(t *testimony, call string, n int) {
		t.attempts[call] = append(t.attempts[call][:n:n], t.attempts[call][n+1:]...)
	}
	for name, c := range map[string]struct {
		lie  func(*testimony)
		want fault
	}{
		"an accepted candidate that is gone": {func(t *testimony) { t.told.keyed["c9"] = 9 }, fault{lost, "candidate c9, number 9"}},
		"a call that is open":                {func(t *testimony) { t.calls[0].State = "pending" }, fault{open, "call steady is pending"}},
		"a record of nothing":                {func(t *testimony) { t.deliveries = t.deliveries[1:] }, fault{unseen, "call flaky: attempt 1 in epoch 1, lease 1"}},
		"a record of another time":           {func(t *testimony) { t.attempts["flaky"][0].StartedAt = at(4) }, fault{unseen, "call flaky: attempt 1"}},
		"a record of another answer":         {func(t *testimony) { t.attempts["flaky"][0].Status = 500 }, fault{unseen, "call flaky: attempt 1"}},
		"two records of one delivery": {func(t *testimony) {
			t.attempts["flaky"] = append(t.attempts["flaky"], t.attempts["flaky"][1])
		}, fault{unseen, "call flaky: attempt 2"}},
		"an attempt that was never recorded": {func(t *testimony) { drop(t, "flaky", 0) }, fault{open, "call flaky: attempt 1 was made and is not recorded"}},
		"an outcome lost without a death":    {func(t *testimony) { t.kills[0].at = at(7) }, fault{unknown, "message m1 came to /steady at Jan  1 00:00:09.000 and no dispatcher died"}},
		"an outcome lost by a stop":          {func(t *testimony) { t.kills[0].kind, t.kills[0].how = DispatcherStopped, sigterm }, fault{unknown, "no dispatcher died with it"}},
		"an outcome lost by the broker":      {func(t *testimony) { t.kills[0].kind = BrokerKilled }, fault{unknown, "no dispatcher died with it"}},
		"a repeat before its lease's end":    {func(t *testimony) { t.attempts["unknown"][1].StartedAt, t.deliveries[5].at = at(70), at(70) }, fault{repeated, "message m3 came to /seed at Jan  1 00:00:51.000 and again at Jan  1 00:01:10.000"}},
		"a repeat of what was stored":        {func(t *testimony) { t.attempts["seed"][0].stored = at(79.6) }, fault{repeated, "message m2 came to /seed"}},
		"a repeat before the kill":           {func(t *testimony) { t.kills[2].at = at(84) }, fault{repeated, "message m2 came to /seed"}},
		"a repeat of what a stop had":        {func(t *testimony) { t.kills[2].how = sigterm }, fault{repeated, "message m2 came to /seed"}},
		"an attempt after the success": {func(t *testimony) {
			t.attempts["flaky"][0].Status, t.deliveries[0].status, t.attempts["flaky"][0].stored = 204, 204, at(2)
		}, fault{repeated, "message m1 came to /flaky 11s after its success was stored"}},
		"more repeats than can be under way": {func(t *testimony) { t.kills[2].repeated = window }, fault{repeated, "kill 3: 1025 attempts came again"}},
	} {
		testimony := honestFleet()
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
