package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// TestLedger acknowledges offsets, which may have gaps, in any order: what may be committed is right behind the last one before the first
// that is open.
func TestLedger(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var l ledger
		var taken []int64
		at, committed := rapid.Int64Range(0, 1000).Draw(t, "first"), int64(-1)
		done := map[int64]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(taken) == 0 || rapid.Bool().Draw(t, "take") {
				at += rapid.Int64Range(1, 4).Draw(t, "gap")
				l.take(&kgo.Record{Offset: at, LeaderEpoch: 7})
				taken = append(taken, at)
			} else {
				offset := rapid.SampledFrom(taken).Draw(t, "acknowledge")
				l.acknowledge(offset)
				done[offset] = true
			}
			want, settled := int64(-1), 0
			for i, offset := range taken {
				if done[offset] && (i == 0 || want == taken[i-1]+1) {
					want = offset + 1
				}
				if done[offset] && offset >= committed {
					settled++
				}
			}
			got, ok := l.pending()
			if ok != (want > committed) || ok && (got.Offset != want || got.Epoch != 7) || len(l.settled()) != settled {
				t.Fatalf("taken %v, done %v, committed %d: may commit %v (%v), want %d; settled %v", taken, done, committed, got, ok, want, l.settled())
			}
			if ok && rapid.Bool().Draw(t, "commit") {
				l.committed(got.Offset)
				committed = got.Offset
			}
		}
	})
}
