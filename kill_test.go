package posthorn_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn"
	"posthorn/adapters/badgerstore"
	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/harness"
	"posthorn/ports"
)

// The variables that make this test binary the process that is killed: where its data is, what it sends as its name, and how long it keeps calls.
const (
	childDir       = "POSTHORN_TEST_CHILD_DIR"
	childName      = "POSTHORN_TEST_CHILD_NAME"
	childRetention = "POSTHORN_TEST_CHILD_RETENTION"
)

// child opens the directory and accepts candidates, telling each on its standard output, until it is killed. It would end by itself:
// nobody reading kills it with SIGPIPE.
func child(dir string) {
	ctx, work := context.Background(), os.Getenv(childWork)
	if work == "restore" {
		restoringChild(dir)
		return
	}
	keep, _ := time.ParseDuration(os.Getenv(childRetention)) // 0, all, for what is not set
	ph, err := posthorn.Open(ctx, posthorn.Options{Dir: dir, AllowPrivateTargets: true, UserAgent: os.Getenv(childName), Retention: keep})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	var clients sync.WaitGroup
	if work == "backup" {
		clients.Go(func() { backingChild(ph) })
	}
	for range 16 {
		clients.Go(func() {
			for {
				c, err := ph.CreateCandidate(ctx, ada())
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				if _, err := os.Stdout.WriteString("accepted " + c.ID + "\n"); err != nil {
					return
				}
			}
		})
	}
	clients.Wait()
}

// burst starts a child, kills it after it has accepted some, and returns all that it said it had accepted.
func burst(t *testing.T, dir, name string, enough int, environment ...string) (accepted []string) {
	t.Helper()
	cmd := exec.CommandContext(bounded(t), os.Args[0], "-test.run=^$")
	cmd.Env = append(append(os.Environ(), childDir+"="+dir, childName+"="+name), environment...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); { // what it said before it died counts
		if id, ok := strings.CutPrefix(lines.Text(), "accepted "); ok {
			accepted = append(accepted, id)
		}
		if len(accepted) == enough {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || len(accepted) < enough {
		t.Fatalf("the child accepted %d and ended with %v; it was to be killed", len(accepted), err)
	}
	return accepted
}

// TestKill: killed in the middle of a burst, twice, and started again: nothing accepted is missing, every call ends, and only attempts
// that were under way are made again.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	receiver := harness.NewReceiver(t, harness.Options{Keep: 1_000_000})
	receiver.Reply(harness.Reply{Delay: 20 * time.Millisecond, Keep: true}) // some are under way at any moment
	ph := open(t, posthorn.Options{Dir: dir})
	register(t, ph, receiver)
	shut(t, ph)

	// The n-th process is called n: that is the epoch too, in which an outcome is recorded.
	accepted := append(burst(t, dir, "2", 300), burst(t, dir, "3", 300)...)

	ph = open(t, posthorn.Options{Dir: dir, UserAgent: "4"})
	outcomes := allEnded(t, ph)
	byCandidate := map[string]posthorn.Call{}
	for _, c := range calls(t, ph) {
		if c.State != posthorn.Succeeded {
			t.Errorf("call %s ended as %s: %s", c.ID, c.State, c.Reason)
		}
		byCandidate[c.Resource.ID] = c
	}
	messages := make([]string, 0, len(accepted))
	for _, id := range accepted {
		c, ok := byCandidate[id]
		if _, err := ph.Candidate(t.Context(), company, id); err != nil || !ok {
			t.Errorf("candidate %s was accepted and is lost: its call is there: %v, %v", id, ok, err)
		}
		messages = append(messages, c.Message)
	}
	shut(t, ph)
	if a := receiver.Account(messages...); len(a.Lost) > 0 || a.Bad > 0 || a.Unchecked > 0 {
		t.Error(a)
	}
	onlyUnderWay(t, receiver.Deliveries(), byCandidate, outcomes)
	sound(t, dir)
}

// allEnded waits until every call has ended, and returns the epochs in which each call's outcomes were recorded.
func allEnded(t *testing.T, ph *posthorn.Posthorn) map[string][]string {
	t.Helper()
	start, err := ph.LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	outcomes, pending := map[string][]string{}, map[string]bool{}
	for ev, err := range ph.Follow(bounded(t), 0) {
		if err != nil {
			t.Fatal(err)
		}
		var of struct {
			Call  string
			Epoch int
		}
		decode(t, ev.Data, &of)
		switch ev.Type {
		case "CallRequested":
			pending[of.Call] = true
		case "CallAttempted":
			outcomes[of.Call] = append(outcomes[of.Call], fmt.Sprint(of.Epoch))
		case "CallSucceeded", "CallFailed", "CallSkipped", "CallCancelled":
			delete(pending, of.Call)
		}
		if ev.Seq >= start && len(pending) == 0 {
			return outcomes
		}
	}
	t.Fatalf("%d calls have not ended", len(pending))
	return nil
}

// onlyUnderWay checks that each message came at most once from each process, and from none after the one that recorded its outcome: what
// came before that from a process that was killed was under way in it.
func onlyUnderWay(t *testing.T, deliveries []harness.Delivery, byCandidate map[string]posthorn.Call, outcomes map[string][]string) {
	t.Helper()
	from := map[string][]string{}
	for _, d := range deliveries {
		from[d.ID] = append(from[d.ID], d.Header.Get("User-Agent"))
	}
	again := 0
	for _, c := range byCandidate {
		recorded, came := outcomes[c.ID], from[c.Message]
		if len(recorded) != 1 || len(came) == 0 || came[len(came)-1] != recorded[0] {
			t.Errorf("message %s came from %v, its outcome was recorded by %v", c.Message, came, recorded)
		}
		for i := 1; i < len(came); i++ {
			again++
			if came[i-1] >= came[i] {
				t.Errorf("message %s came from %v: twice from one process, or late", c.Message, came)
			}
		}
	}
	t.Logf("%d calls, %d attempts made again", len(byCandidate), again)
	if most := 2 * 1024; again > most { // two kills, each with a window of 1,024
		t.Errorf("%d attempts were made again, at most %d could be under way", again, most)
	}
}

// sound runs `log verify` over a directory.
func sound(t *testing.T, dir string) {
	t.Helper()
	store, err := badgerstore.Open(bounded(t), badgerstore.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	var scratch ports.Store = memstore.New()
	report, err := engine.Verify(bounded(t), store, scratch)
	if err != nil || !report.OK() {
		t.Errorf("verify: %v, %v", report.Problems, err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}
