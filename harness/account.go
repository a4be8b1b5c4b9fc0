package harness

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Account sums up what came. Each delivery is in one of Unnamed, Unique, Retries and Duplicates.
type Account struct {
	// Deliveries is how many requests came in whole; Broken, how many broke off, or were TLS handshakes that failed, which are counted
	// nowhere else and by no path.
	Deliveries, Broken int
	// Unnamed had no message id. Unique were the first of their id at their path, Retries came again while no delivery of the id
	// had been answered with a 2xx, and Duplicates although one had been.
	Unnamed, Unique, Retries, Duplicates int
	// Verified passed every check that was made, and at least one; Bad failed one; Unchecked had none.
	Verified, Bad, Unchecked int
	// First and Last are when the first and the last delivery came; zero if none did.
	First, Last time.Time
	// DuplicateIDs and BadDeliveries name the first 1,000 of each path, the deliveries without header and body.
	DuplicateIDs  []string
	BadDeliveries []Delivery
	// Expected is how many different ids the caller expected; Lost are those that have not come, in the order given; Unexpected
	// is how many unique ones came that were not expected. All are zero if the caller expected nothing.
	Expected, Unexpected int
	Lost                 []string
	// Gaps are the runs of Lost: ids that were expected one after another.
	Gaps []Gap
	// Late are the expected ids whose first delivery came after that of an id which was expected after them, at any path. (RFC 4737
	// calls such a packet reordered.) Only senders that promise an order have to keep it.
	Late []string
}

// A Gap is a run of lost ids.
type Gap struct {
	From, To string // the first and the last of them
	N        int    // how many they are
}

// String is one id, or the two ends.
func (g Gap) String() string {
	if g.N == 1 {
		return g.From
	}
	return fmt.Sprintf("%s to %s (%d)", g.From, g.To, g.N)
}

// Account sums up what came so far, and compares it with the given message ids, in the order in which they were sent; with those of
// Expect if none are given.
func (s *scope) Account(ids ...string) Account {
	r := s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(ids) == 0 {
		ids = s.expected.ids
	}
	ledgers := s.ledgers()
	a := Account{}
	if s.path == "" {
		a.Broken = r.broken
	}
	for _, l := range ledgers {
		a.add(l)
	}
	a.Unchecked = a.Deliveries - a.Verified - a.Bad
	if len(ids) > 0 {
		a.compare(ids, ledgers, r.hasher)
	}
	return a
}

func (a *Account) add(l *ledger) {
	a.Deliveries += l.deliveries
	a.Unnamed += l.unnamed
	a.Unique += len(l.seen)
	a.Retries += l.retries
	a.Duplicates += l.duplicates
	a.Verified += l.verified
	a.Bad += l.bad
	a.DuplicateIDs = append(a.DuplicateIDs, l.duplicateIDs...)
	a.BadDeliveries = append(a.BadDeliveries, l.badDeliveries...)
	if a.First.IsZero() || !l.first.IsZero() && l.first.Before(a.First) {
		a.First = l.first
	}
	if l.last.After(a.Last) {
		a.Last = l.last
	}
}

// compare walks the ids from the last to the first: one is late if a later one has come before it.
func (a *Account) compare(ids []string, ledgers []*ledger, h hasher) {
	asked := make(map[idKey]bool, len(ids))
	earliest := make([]uint32, len(ledgers)) // the first place that any later id has, at each path
	for i := range earliest {
		earliest[i] = 1<<32 - 1
	}
	a.Unexpected = a.Unique
	lostBefore := false
	for _, id := range slices.Backward(unique(ids, h, asked)) {
		came, late := false, false
		for i, l := range ledgers {
			t := l.seen[h.key(id)]
			if t.n == 0 {
				continue
			}
			came = true
			a.Unexpected--
			late = late || t.place > earliest[i]
			earliest[i] = min(earliest[i], t.place)
		}
		if late {
			a.Late = append(a.Late, id)
		}
		if !came {
			a.lose(id, lostBefore)
		}
		lostBefore = !came
	}
	a.Expected = len(asked)
	slices.Reverse(a.Late)
	slices.Reverse(a.Lost)
	slices.Reverse(a.Gaps)
}

// lose notes an id that has not come. They come from the last to the first, so a gap grows at its front.
func (a *Account) lose(id string, growing bool) {
	a.Lost = append(a.Lost, id)
	if !growing {
		a.Gaps = append(a.Gaps, Gap{To: id})
	}
	gap := &a.Gaps[len(a.Gaps)-1]
	gap.From = id
	gap.N++
}

// unique are the ids without those that stand there already, which asked takes note of.
func unique(ids []string, h hasher, asked map[idKey]bool) []string {
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if key := h.key(id); !asked[key] {
			asked[key] = true
			out = append(out, id)
		}
	}
	return out
}

// OK says that nothing expected is lost, nothing came twice after a 2xx, and no check failed. Order is the sender's own promise: see Late.
func (a Account) OK() bool { return len(a.Lost) == 0 && a.Duplicates == 0 && a.Bad == 0 }

// String is a line of counts, then a line for each delivery, id or gap that is bad, duplicate, lost or late, at most 10 of a kind.
func (a Account) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d deliveries: %d unique, %d retries, %d duplicates, %d unnamed; %d verified, %d bad, %d unchecked",
		a.Deliveries, a.Unique, a.Retries, a.Duplicates, a.Unnamed, a.Verified, a.Bad, a.Unchecked)
	if a.Broken > 0 {
		fmt.Fprintf(&b, "; %d broken off", a.Broken)
	}
	if a.Expected > 0 {
		fmt.Fprintf(&b, "; of %d expected ids %d lost, %d late, %d others came", a.Expected, len(a.Lost), len(a.Late), a.Unexpected)
	}
	list(&b, "bad", a.BadDeliveries, a.Bad)
	list(&b, "duplicate", a.DuplicateIDs, a.Duplicates)
	list(&b, "lost", a.Gaps, len(a.Gaps))
	list(&b, "late", a.Late, len(a.Late))
	return b.String()
}

const shown = 10

func list[T any](b *strings.Builder, what string, items []T, total int) {
	for i, item := range items {
		if i == shown {
			break
		}
		fmt.Fprintf(b, "\n  %s: %v", what, item)
	}
	if total > shown {
		fmt.Fprintf(b, "\n  %s: and %d more", what, total-shown)
	}
}
