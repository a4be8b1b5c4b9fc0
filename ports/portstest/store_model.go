package portstest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"posthorn/ports"
)

const (
	modelRounds = 10 // how many commits one run of the model makes at most
	durableRuns = 20 // of rapid's 100 runs are enough for a store that takes its time to open
)

// testModel runs random commits on the store and on a map with a slice beside it, and compares all that can be read.
func testModel(t *testing.T, o StoreOptions) {
	t.Helper()
	runs, failed := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; o.Durable && runs > durableRuns && !failed {
			return
		}
		passed := false
		defer func() { failed = failed || !passed }() // rapid runs it again, to find a smaller failure
		dir := t.TempDir()
		b := &bench{t: t, dir: dir, opts: o, store: o.Open(t, dir)}
		defer func() { b.check(b.store.Close()) }()
		m := &model{pairs: map[string]string{}}
		for range rapid.IntRange(1, modelRounds).Draw(rt, "rounds") {
			c, want := m.draw(rt)
			if err := b.store.Apply(context.Background(), c); !errors.Is(err, want) {
				rt.Fatalf("Apply returned %v, want %v", err, want)
			}
			if want == nil {
				m.apply(c)
			}
			m.compare(rt, b)
		}
		if o.Durable && rapid.IntRange(0, 3).Draw(rt, "reopen") == 0 { // seldom, for it takes its time
			b.reopen()
			m.compare(rt, b)
		}
		passed = true
	})
}

// A model is what a store is, without any of its virtues.
type model struct {
	pairs   map[string]string
	entries []ports.Entry
	last    uint64
}

// drawKey prefers few and awkward keys, so that commits meet the same ones.
func drawKey(rt *rapid.T, name string) []byte {
	return rapid.SliceOfN(rapid.SampledFrom([]byte{0x00, 0x01, 'a', 'b', 0xfe, 0xff}), 0, 3).Draw(rt, name)
}

// draw returns a commit, and what the store has to say to it. One in ten does not follow the last event, and one in ten of those that
// rewrite names an entry that there is not.
func (m *model) draw(rt *rapid.T) (c ports.Commit, want error) {
	next := m.last + 1
	for range rapid.IntRange(0, 3).Draw(rt, "entries") {
		last := next + rapid.Uint64Range(0, 4).Draw(rt, "more events")
		data := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "data")
		c.Entries = append(c.Entries, ports.Entry{First: next, Last: last, Data: data})
		next = last + 1
	}
	c.Rewrites = m.drawRewrites(rt)
	m.drawPairs(rt, &c)
	if len(c.Entries) > 0 && rapid.IntRange(0, 9).Draw(rt, "wrong") == 0 {
		c.Entries[rapid.IntRange(0, len(c.Entries)-1).Draw(rt, "which")].First++
		return c, ports.ErrOutOfOrder
	}
	if len(c.Rewrites) > 0 && rapid.IntRange(0, 9).Draw(rt, "wrong rewrite") == 0 {
		c.Rewrites[rapid.IntRange(0, len(c.Rewrites)-1).Draw(rt, "which")].Last += 5 // no entry is as long
		return c, ports.ErrNotFound
	}
	return c, nil
}

// drawRewrites changes and removes some of what is there, in any order.
func (m *model) drawRewrites(rt *rapid.T) []ports.Entry {
	if len(m.entries) == 0 {
		return nil
	}
	all := rapid.Permutation(m.entries).Draw(rt, "rewrites")
	all = slices.Clone(all[:rapid.IntRange(0, len(all)).Draw(rt, "how many")])
	for i := range all {
		all[i].Data = rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "new data")
		if rapid.Bool().Draw(rt, "remove") {
			all[i].Data = nil
		}
	}
	return all
}

func (*model) drawPairs(rt *rapid.T, c *ports.Commit) {
	seen := map[string]bool{}
	for range rapid.IntRange(0, 8).Draw(rt, "writes") {
		key := drawKey(rt, "key")
		if seen[string(key)] {
			continue
		}
		seen[string(key)] = true
		if rapid.Bool().Draw(rt, "delete") {
			c.Deletes = append(c.Deletes, key)
		} else {
			c.Puts = append(c.Puts, ports.Pair{Key: key, Value: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "value")})
		}
	}
}

func (m *model) apply(c ports.Commit) {
	for _, e := range c.Rewrites {
		i := slices.IndexFunc(m.entries, func(old ports.Entry) bool { return old.First == e.First })
		m.entries[i].Data = e.Data
	}
	m.entries = slices.DeleteFunc(m.entries, func(e ports.Entry) bool { return e.Data == nil })
	for _, e := range c.Entries {
		m.entries, m.last = append(m.entries, e), e.Last
	}
	for _, p := range c.Puts {
		m.pairs[string(p.Key)] = string(p.Value)
	}
	for _, k := range c.Deletes {
		delete(m.pairs, string(k))
	}
}

// scan is Reader.Scan, the long way.
func (m *model) scan(from, to []byte, reverse bool) []ports.Pair {
	var all []ports.Pair
	for k, v := range m.pairs {
		if k >= string(from) && (to == nil || k < string(to)) {
			all = append(all, pair(k, v))
		}
	}
	slices.SortFunc(all, func(a, b ports.Pair) int { return bytes.Compare(a.Key, b.Key) })
	if reverse {
		slices.Reverse(all)
	}
	return all
}

// after is Reader.Entries, the long way.
func (m *model) after(seq uint64) []ports.Entry {
	return slices.DeleteFunc(slices.Clone(m.entries), func(e ports.Entry) bool { return e.Last <= seq })
}

func (m *model) compare(rt *rapid.T, b *bench) {
	from, to := drawKey(rt, "from"), drawKey(rt, "to")
	if rapid.Bool().Draw(rt, "no upper bound") {
		to = nil
	}
	seq := rapid.Uint64Range(0, m.last+2).Draw(rt, "after")
	b.view(func(r ports.Reader) error {
		same(rt, "everything", content{m.scan(nil, nil, false), m.entries, m.last})(readAll(r))
		same(rt, "a scan", m.scan(from, to, false))(scan(r, from, to, false))
		same(rt, "a reverse scan", m.scan(from, to, true))(scan(r, from, to, true))
		same(rt, "entries", m.after(seq))(entries(r, seq))
		value, err := r.Get(from)
		want, ok := m.pairs[string(from)]
		if ok != (err == nil) || !ok && !errors.Is(err, ports.ErrNotFound) || string(value) != want {
			rt.Fatalf("Get(%q) returned %q, %v, want %q, %v", from, value, err, want, ok)
		}
		return nil
	})
}

// same returns a check of what a read returned.
func same[T any](rt *rapid.T, what string, want T) func(T, error) {
	return func(got T, err error) {
		if err != nil {
			rt.Fatalf("reading %s: %v", what, err)
		}
		if d := diff(want, got); d != "" {
			rt.Fatalf("%s differs (-model +store):\n%s", what, d)
		}
	}
}
