package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"posthorn/ports"
)

// An action is a random command. It names what it is about by number, so that the same list of actions means the same in every
// world.
type action struct {
	Verb    string
	Company string
	Pick    int // which webhook, call, candidate or job
	Kind    int // which variant
	Text    string
	Wait    time.Duration // before it
}

func actions() *rapid.Generator[[]action] {
	// A verb that stands twice comes twice as often.
	verbs := []string{
		"register", "register", "update", "enable", "disable", "delete", "create-candidate", "edit-candidate", "delete-candidate",
		"publish", "publish", "publish", "publish-resource", "plan", "judge", "judge", "judge", "judge", "judge", "retry", "cancel",
		"fail", "job", "job", "use-key", "expire-keys", "start-engine",
		"prune", "prune", "erase-candidate", "erase-message", "pause", "resume", "rotate", "test", "expire", "breaker",
	}
	text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 8), func(b []byte) string { return string(b) }))
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) action {
		return action{
			Verb:    rapid.SampledFrom(verbs).Draw(t, "verb"),
			Company: rapid.SampledFrom([]string{"1", "a/b <&> é"}).Draw(t, "company"),
			Pick:    rapid.IntRange(0, 5).Draw(t, "pick"),
			Kind:    rapid.IntRange(0, 9).Draw(t, "kind"),
			Text:    text.Draw(t, "text"),
			Wait:    rapid.SampledFrom([]time.Duration{0, 0, 1, time.Millisecond, 5 * time.Second, 25 * time.Hour}).Draw(t, "wait"),
		}
	}), 10, 80)
}

// TestFoldProperties runs random commands and holds what the log, the rows and their changes promise.
func TestFoldProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := actions().Draw(t, "actions")
		batch := rapid.IntRange(2, 10).Draw(t, "batch")

		single := newWorld(t)
		states := map[named]CallState{}
		for _, a := range list {
			single.act(a)
			single.flush()
			single.checkCalls(states)
		}
		want := single.rows

		for name, way := range map[string]struct {
			size  int
			cache *Cache
		}{
			"in batches":              {batch, nil},
			"in one batch":            {len(list) + 1, nil},
			"with a cache":            {1, NewCache(1000)},
			"with a cache of few":     {1, NewCache(1)},
			"in batches with a cache": {batch, NewCache(2)},
		} {
			w := newWorld(t)
			w.cache = way.cache
			w.state = w.newState()
			for i, a := range list {
				w.act(a)
				if (i+1)%way.size == 0 {
					w.flush()
				}
			}
			w.flush()
			if !sameRows(want, w.rows) {
				t.Fatalf("run %s the rows differ (-one by one +%s):\n%s", name, name, diffLines(dump(want), dump(w.rows)))
			}
		}
		for name, size := range map[string]int{"event by event": 1, "in one go": len(single.log) + 1} {
			if again := single.rebuild(size); !sameRows(want, again) {
				t.Fatalf("folded again %s the rows differ (-rows +folded):\n%s", name, diffLines(dump(want), dump(again)))
			}
		}
	})
}

func sameRows(a, b map[string][]byte) bool { return maps.EqualFunc(a, b, bytes.Equal) }

// rebuild folds the log from nothing, size entries to a batch.
func (w *world) rebuild(size int) map[string][]byte {
	w.t.Helper()
	fresh := newWorld(w.t)
	for i, entry := range w.log {
		events, err := w.codec.Decode(entry)
		if err != nil {
			w.t.Fatalf("decode: %v", err)
		}
		for _, r := range events {
			if err := fresh.state.Fold(r); err != nil {
				w.t.Fatalf("fold again: %v", err)
			}
		}
		if (i+1)%size == 0 {
			fresh.flush()
		}
	}
	fresh.flush()
	return fresh.rows
}

// checkCalls: an open call has exactly one due row, and an expiry row if it has an age; an ended one has none; an ended call changes only to succeeded. states holds
// what the calls were before.
func (w *world) checkCalls(states map[named]CallState) {
	w.t.Helper()
	due, ages := map[named]int{}, map[named]int{}
	for k, v := range w.rows {
		if strings.HasPrefix(k, "r\x00due\x00") {
			d := w.parseDue([]byte(k), v)
			due[named{d.Company, d.Call}]++
		}
		if from, to := ExpiryRange(time.Time{}); within([]byte(k), from, to) {
			x := w.parseExpiry([]byte(k), v)
			ages[named{x.Company, x.Call}]++
		}
	}
	for _, n := range w.calls {
		row, ok := w.rows[string(CallKey(n.company, n.id))]
		if before, was := states[n]; !ok && was && !before.Open() {
			continue // pruned
		}
		c, _, seqs, err := ParseCall(ports.Pair{Key: CallKey(n.company, n.id), Value: row})
		if err != nil {
			w.t.Fatalf("%v", err)
		}
		want := 0
		if c.State.Open() {
			want = 1
		}
		if ages[n] != 0 && (c.ExpiresAt == nil || !c.State.Open()) || ages[n] != 1 && c.ExpiresAt != nil && c.State.Open() {
			w.t.Fatalf("call %s is %s, expires at %v, and has %d expiry rows", c.ID, c.State, c.ExpiresAt, ages[n])
		}
		ends := c.EndedAt != nil && c.NextAt == nil
		if !slices.Contains(CallStates(), c.State) || due[n] != want || ends == c.State.Open() {
			w.t.Fatalf("call %s is %s with %d due rows, next %v, ended %v", c.ID, c.State, due[n], c.NextAt, c.EndedAt)
		}
		if (c.Reason == "") != (c.State == Pending || c.State == Succeeded) {
			w.t.Fatalf("call %s is %s for the reason %q", c.ID, c.State, c.Reason)
		}
		if before, ok := states[n]; ok && before != c.State && !before.Open() && c.State != Succeeded {
			w.t.Fatalf("call %s has ended as %s and changed to %s", c.ID, before, c.State)
		}
		if !slices.IsSorted(seqs) {
			w.t.Fatalf("call %s names its events out of order: %v", c.ID, seqs)
		}
		states[n] = c.State
		delete(due, n)
	}
	if len(due) > 0 {
		w.t.Fatalf("due rows of calls that do not exist: %v", due)
	}
}

// act runs an action. A refusal is an answer; another error fails the test.
func (w *world) act(a action) {
	w.t.Helper()
	w.now = w.now.Add(a.Wait)
	d, answer, err := w.decide(a)
	var invalid *InvalidError
	if err != nil && !errors.As(err, &invalid) && !errors.Is(err, ports.ErrNotFound) && !errors.Is(err, ports.ErrConflict) {
		w.t.Fatalf("%s: %v", a.Verb, err)
	}
	if err != nil {
		if len(d.Events)+len(d.Vault) > 0 {
			w.t.Fatalf("%s is refused and decides all the same: %+v", a.Verb, d)
		}
		return
	}
	w.record(d)
	w.checkVault(d)
	w.checkAnswer(answer)
}

// checkVault: the vault items of a decision are those that its events name, with their digests, and no others.
func (w *world) checkVault(d Decision) {
	w.t.Helper()
	names := 0
	for _, e := range d.Events {
		k, digest, ok := VaultItemOf(e)
		if !ok {
			continue
		}
		names++
		if _, err := OpenVaultItem(w.vault[string(k)], digest); err != nil || digest == "" {
			w.t.Fatalf("%T names the vault item %s: %v", e, showKey(string(k)), err)
		}
	}
	if names != len(d.Vault) {
		w.t.Fatalf("the events %+v name %d vault items, and %d are stored", d.Events, names, len(d.Vault))
	}
}

// checkAnswer: what a command answers is what stands in the rows after it.
func (w *world) checkAnswer(answer any) {
	w.t.Helper()
	var row any
	var err error
	switch answer := answer.(type) {
	case Webhook:
		row, err = rowOf(w.state, WebhookKey(answer.Company, answer.ID), func(r webhookRow) Webhook { return r.Webhook })
	case Call:
		row, err = rowOf(w.state, CallKey(answer.Company, answer.ID), func(r callRow) Call { return r.Call })
	case told:
		c := answer.Candidate
		if row, err := load[resourceRow](w.state, ResourceRowKey(c.Company, CandidateType, c.ID)); err != nil || row.Version != c.Version {
			w.t.Fatalf("candidate %s has the row %+v, and the answer says version %d", c.ID, row, c.Version)
		}
		if !json.Valid(c.Profile) {
			w.t.Fatalf("profile is not JSON: %s", c.Profile)
		}
		return
	default:
		return
	}
	if err != nil || w.json(row) != w.json(answer) {
		w.t.Fatalf("the row and the answer differ (%v):\n%s\n%s", err, w.json(row), w.json(answer))
	}
}

func rowOf[R, T any](s *State, k []byte, part func(R) T) (T, error) {
	row, err := load[R](s, k)
	if err != nil || row == nil {
		return *new(T), fmt.Errorf("no row %q: %w", k, err)
	}
	return part(*row), nil
}

func pick[T any](all []T, n int) (v T) {
	if len(all) == 0 {
		return v
	}
	return all[n%len(all)]
}

// job takes the n-th unfinished job a step further.
func (w *world) job(n, most int) (Decision, any, error) {
	var unfinished []step
	for _, name := range w.jobs {
		if job, err := load[Job](w.state, JobKey(name)); err == nil && job != nil {
			seq, err := strconv.ParseUint(name[:16], 16, 64)
			if err != nil {
				w.t.Fatalf("job %s: %v", name, err)
			}
			unfinished = append(unfinished, step{Seq: seq, Most: most})
		}
	}
	return w.continueJob(pick(unfinished, n))
}
