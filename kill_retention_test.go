package posthorn_test

import (
	"testing"

	"posthorn"
	"posthorn/harness"
)

// TestKillInRetention: killed while it forgets what is over, beside live traffic, until a kill has fallen into the midst of it: each time what
// is left is in order, and in the end all that was over is gone, and nothing else.
func TestKillInRetention(t *testing.T) {
	t.Parallel()
	const past, mostKills = 1500, 20
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
	left := past
	for kills := 1; left == past || left == 0; kills++ {
		if left == 0 || kills > mostKills {
			t.Fatalf("no kill of %d fell into the midst of it: %d of %d calls are left", kills-1, left, past)
		}
		accepted = append(accepted, burst(t, dir, "killed", 50*kills, childRetention+"="+posthorn.MinRetention.String())...)
		sound(t, dir)
		ph = open(t, posthorn.Options{Dir: dir})
		left = countOf(t, ph, over)
		shut(t, ph)
	}

	ph = open(t, posthorn.Options{Dir: dir, Retention: posthorn.MinRetention})
	seq, err := ph.LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for ev, err := range ph.Follow(bounded(t), seq-1) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Type != "CallAttempted" && countOf(t, ph, over) == 0 {
			break
		}
	}
	for _, id := range accepted {
		if _, err := ph.Candidate(t.Context(), company, id); err != nil {
			t.Errorf("candidate %s went with its call: %v", id, err)
		}
	}
	shut(t, ph)
	sound(t, dir)
}

// countOf counts those of some calls that are there.
func countOf(t *testing.T, ph *posthorn.Posthorn, of map[string]bool) (n int) {
	t.Helper()
	for _, c := range calls(t, ph) {
		if of[c.ID] {
			n++
		}
	}
	return n
}
