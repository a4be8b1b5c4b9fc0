package posthorn_test

import (
	"testing"
	"time"

	"posthorn"
	"posthorn/harness"
)

// TestKillInRetention: killed again and again while it forgets what is over, beside live traffic: each time what is left is in order, and in
// the end all that was over is gone, and nothing else.
func TestKillInRetention(t *testing.T) {
	t.Parallel()
	const past, mostKills = 600, 60
	dir := t.TempDir()
	receiver := harness.NewReceiver(t, harness.Options{Keep: 1_000_000})
	ph := open(t, posthorn.Options{Dir: dir})
	register(t, ph, receiver)
	for range past {
		create(t, ph)
	}
	allEnded(t, ph)
	over := map[string]bool{}
	for _, c := range calls(t, ph) {
		over[c.ID] = true
	}
	shut(t, ph)

	var accepted []string
	inMidst := 0
	for kills, left := 0, past; left > 0; kills++ {
		if kills == mostKills {
			t.Fatalf("%d of %d calls are left after %d kills", left, past, kills)
		}
		accepted = append(accepted, burst(t, dir, "killed", 40, childRetention+"="+posthorn.MinRetention.String())...)
		sound(t, dir)
		ph = open(t, posthorn.Options{Dir: dir})
		left = 0
		for _, c := range calls(t, ph) {
			if over[c.ID] {
				left++
			}
		}
		shut(t, ph)
		if 0 < left && left < past {
			inMidst++
		}
	}
	if inMidst == 0 {
		t.Error("no kill fell into the midst of it")
	}

	ph = open(t, posthorn.Options{Dir: dir, Retention: time.Hour})
	allEnded(t, ph)
	for _, id := range accepted {
		if _, err := ph.Candidate(t.Context(), company, id); err != nil {
			t.Errorf("candidate %s went with its call: %v", id, err)
		}
	}
	shut(t, ph)
	sound(t, dir)
}
