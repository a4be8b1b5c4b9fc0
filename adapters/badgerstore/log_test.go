package badgerstore

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"posthorn/ports"
)

// A stretch of log is entries and gaps that go on over many blocks and all stripes.
func drawLog(t *rapid.T) (entries []ports.Entry) {
	last := uint64(0)
	for range rapid.IntRange(1, 40).Draw(t, "entries") {
		first := last + 1
		last += rapid.SampledFrom([]uint64{1, 2, blockEvents - 1, blockEvents, blockEvents + 1, 5 * blockEvents}).Draw(t, "events")
		entries = append(entries, ports.Entry{First: first, Last: last, Data: []byte("x")})
	}
	return entries
}

// joined is the log without the entries that are removed: each run of them is one gap.
func joined(entries []ports.Entry, removed map[uint64]bool) (all []place) {
	for _, e := range entries {
		p := place{Entry: ports.Entry{First: e.First, Last: e.Last}, gap: removed[e.First]}
		if n := len(all); n > 0 && p.gap && all[n-1].gap {
			all[n-1].Last = e.Last
			continue
		}
		all = append(all, p)
	}
	return all
}

// TestLogInStripes: wherever its keys lie, the log is found, walked and checked in the order of its events, whatever was removed in whatever order.
func TestLogInStripes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s, err := Open(t.Context(), testOptions(t.TempDir()))
		if err != nil {
			rt.Fatal(err)
		}
		defer s.Close() //nolint:errcheck // the test is about reading
		apply := func(c ports.Commit) {
			if err := s.Apply(t.Context(), c); err != nil {
				rt.Fatal(err)
			}
		}
		entries, removed := drawLog(rt), map[uint64]bool{}
		apply(ports.Commit{Entries: entries})
		for range rapid.IntRange(0, 4).Draw(rt, "removals") {
			var c ports.Commit
			for _, e := range rapid.SliceOfNDistinct(rapid.SampledFrom(entries), 0, len(entries), func(e ports.Entry) uint64 { return e.First }).Draw(rt, "removed") {
				if !removed[e.First] {
					removed[e.First] = true
					c.Rewrites = append(c.Rewrites, ports.Entry{First: e.First, Last: e.Last})
				}
			}
			apply(c)
		}
		txn := s.db.NewTransactionAt(s.now.commit, false)
		defer txn.Discard()
		all, last := joined(entries, removed), entries[len(entries)-1].Last
		if got, err := s.checkTail(); got != last || err != nil {
			rt.Fatalf("the log ends at %d, %v, want %d", got, err, last)
		}
		log := openLog(txn)
		defer log.close()
		after := rapid.Uint64Range(0, last-1).Draw(rt, "after")
		rest := slices.DeleteFunc(slices.Clone(all), func(p place) bool { return p.Last <= after })
		for p, err := range log.walk(after, last) {
			if err != nil || !slices.Equal(p.Data, rest[0].Data) || p.First != rest[0].First || p.Last != rest[0].Last || p.gap != rest[0].gap {
				rt.Fatalf("after %d comes %+v, %v, want %+v", after, p, err, rest[0])
			}
			rest = rest[1:]
		}
		if len(rest) > 0 {
			rt.Fatalf("the walk after %d leaves out %+v", after, rest)
		}
		for range rapid.IntRange(1, 30).Draw(rt, "sought") {
			seq := rapid.Uint64Range(1, last+1).Draw(rt, "seq")
			i := slices.IndexFunc(all, func(p place) bool { return p.Last >= seq })
			want := place{}
			if i >= 0 {
				want = all[i]
			}
			if p := log.find(seq); p.First != want.First || p.Last != want.Last || p.gap != want.gap {
				rt.Fatalf("at %d is %+v, want %+v", seq, p, want)
			}
		}
	})
}
