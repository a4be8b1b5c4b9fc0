package posthorn_test

import (
	"testing"

	"posthorn"
	"posthorn/harness"
)

// TestKillInAReplay: killed in the midst of a replay beside live traffic, twice, and started again: the replay goes on to its end, and each of
// its calls was requested once, and delivered.
func TestKillInAReplay(t *testing.T) {
	t.Parallel()
	const past = 300
	dir := t.TempDir()
	receiver := harness.NewReceiver(t, harness.Options{Keep: 1_000_000})
	ph := open(t, posthorn.Options{Dir: dir})
	register(t, ph, receiver)
	for range past {
		create(t, ph)
	}
	allEnded(t, ph)
	replay, err := ph.StartReplay(bounded(t), posthorn.NewReplay{Company: company, Mode: posthorn.ReplaySame, Rate: 100})
	if err != nil {
		t.Fatal(err)
	}
	shut(t, ph)

	burst(t, dir, "2", 1000)
	ph = open(t, posthorn.Options{Dir: dir})
	if r, err := ph.Replay(bounded(t), company, replay.ID); err != nil || !r.State.Open() || r.Counts.Calls == 0 {
		t.Errorf("after the first kill it is not in its midst: %+v, %v", r, err)
	}
	shut(t, ph)
	burst(t, dir, "3", 100)

	ph = open(t, posthorn.Options{Dir: dir})
	ended(t, ph, "ReplayEnded")
	allEnded(t, ph)
	made := map[string]int{}
	for _, c := range calls(t, ph) {
		if c.Replay == replay.ID {
			made[c.RetryOf]++
		}
		if c.State != posthorn.Succeeded {
			t.Errorf("call %s ended as %s: %s", c.ID, c.State, c.Reason)
		}
	}
	for call, n := range made {
		if n != 1 {
			t.Errorf("call %s was made again %d times", call, n)
		}
	}
	r, err := ph.Replay(bounded(t), company, replay.ID)
	if err != nil || len(made) != past || r.Counts.Calls != past || r.Progress.Succeeded != past || r.Progress.Pending != 0 {
		t.Errorf("%d calls were made again, want %d; the replay is %+v, %v", len(made), past, r, err)
	}
	shut(t, ph)
	sound(t, dir)
}
