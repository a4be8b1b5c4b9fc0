package harness

import (
	"fmt"
	"strings"
	"time"
)

// An Account sums up what came. Each delivery is in one of Unnamed, Unique, Retries and Duplicates.
type Account struct {
	// Deliveries is how many requests came in whole; Broken, how many broke off, which are counted nowhere else and by no path.
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
}

// Account sums up what came so far, and compares it with the expected message ids if any are given.
func (s *scope) Account(expected ...string) Account {
	r := s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	ledgers := s.ledgers()
	a := Account{}
	if s.path == "" {
		a.Broken = r.broken
	}
	for _, l := range ledgers {
		addLedger(&a, l)
	}
	a.Unchecked = a.Deliveries - a.Verified - a.Bad
	if len(expected) > 0 {
		compare(&a, expected, ledgers, r.hasher)
	}
	return a
}

func addLedger(a *Account, l *ledger) {
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

func compare(a *Account, expected []string, ledgers []*ledger, h hasher) {
	asked := make(map[idKey]bool, len(expected))
	a.Unexpected = a.Unique
	for _, id := range expected {
		key := h.key(id)
		if asked[key] {
			continue
		}
		asked[key] = true
		came := false
		for _, l := range ledgers {
			if l.seen[key].n > 0 {
				a.Unexpected--
				came = true
			}
		}
		if !came {
			a.Lost = append(a.Lost, id)
		}
	}
	a.Expected = len(asked)
}

// OK says that nothing expected is lost, nothing came twice after a 2xx, and no check failed.
func (a Account) OK() bool { return len(a.Lost) == 0 && a.Duplicates == 0 && a.Bad == 0 }

// String is a line of counts, then a line for each delivery or id that is bad, duplicate or lost, at most 10 of a kind.
func (a Account) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d deliveries: %d unique, %d retries, %d duplicates, %d unnamed; %d verified, %d bad, %d unchecked",
		a.Deliveries, a.Unique, a.Retries, a.Duplicates, a.Unnamed, a.Verified, a.Bad, a.Unchecked)
	if a.Broken > 0 {
		fmt.Fprintf(&b, "; %d broken off", a.Broken)
	}
	if a.Expected > 0 {
		fmt.Fprintf(&b, "; of %d expected ids %d lost, %d others came", a.Expected, len(a.Lost), a.Unexpected)
	}
	list(&b, "bad", a.BadDeliveries, a.Bad)
	list(&b, "duplicate", a.DuplicateIDs, a.Duplicates)
	list(&b, "lost", a.Lost, len(a.Lost))
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
