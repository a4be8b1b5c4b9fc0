package memstore

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"posthorn/ports"
)

// errTwice is for the caller's fault of naming a key, or an entry, more than once in a commit.
var errTwice = errors.New("named twice in one commit")

// check says whether c may follow the event last in a log of these entries.
func check(c ports.Commit, log []ports.Entry, last uint64) error {
	if err := checkOrder(c.Entries, last); err != nil {
		return err
	}
	if err := checkSize(c); err != nil {
		return err
	}
	if err := checkRewrites(c.Rewrites, log); err != nil {
		return err
	}
	return checkKeys(c)
}

func checkOrder(entries []ports.Entry, last uint64) error {
	for _, e := range entries {
		if e.First != last+1 || e.Last < e.First {
			return fmt.Errorf("entry %d to %d does not follow event %d; begin at %d: %w",
				e.First, e.Last, last, last+1, ports.ErrOutOfOrder)
		}
		last = e.Last
	}
	return nil
}

func checkSize(c ports.Commit) error {
	writes := len(c.Entries) + len(c.Puts) + len(c.Deletes) + ports.RewriteWrites*len(c.Rewrites)
	if writes > commitWrites {
		return tooLarge("commit of %d writes, at most %d fit; split it", writes, commitWrites)
	}
	total, largest := 0, 0
	for _, e := range slices.Concat(c.Entries, c.Rewrites) {
		total += len(e.Data)
		largest = max(largest, len(e.Data))
	}
	for _, p := range c.Puts {
		total += len(p.Key) + len(p.Value)
		largest = max(largest, len(p.Value))
	}
	for _, k := range c.Deletes {
		total += len(k)
	}
	if largest > valueBytes {
		return tooLarge("value of %d bytes, at most %d fit; make it smaller", largest, valueBytes)
	}
	if total > commitBytes {
		return tooLarge("commit of %d bytes, at most %d fit; split it", total, commitBytes)
	}
	return nil
}

func tooLarge(format string, got, most int) error {
	return fmt.Errorf(format+": %w", got, most, ports.ErrTooLarge)
}

func checkKeys(c ports.Commit) error {
	seen := make(map[string]struct{}, len(c.Puts)+len(c.Deletes))
	for _, p := range c.Puts {
		seen[string(p.Key)] = struct{}{}
	}
	for _, k := range c.Deletes {
		seen[string(k)] = struct{}{}
	}
	if len(seen) != len(c.Puts)+len(c.Deletes) {
		return fmt.Errorf("%d puts and %d deletes name only %d keys; join them before: %w",
			len(c.Puts), len(c.Deletes), len(seen), errTwice)
	}
	return nil
}

func checkRewrites(rewrites, log []ports.Entry) error {
	seen := make(map[uint64]struct{}, len(rewrites))
	for _, e := range rewrites {
		if i := find(log, e.First); i == len(log) || log[i].First != e.First || log[i].Last != e.Last {
			return fmt.Errorf("entry %d to %d to be rewritten: %w", e.First, e.Last, ports.ErrNotFound)
		}
		seen[e.First] = struct{}{}
	}
	if len(seen) != len(rewrites) {
		return fmt.Errorf("%d rewrites name only %d entries; join them before: %w", len(rewrites), len(seen), errTwice)
	}
	return nil
}

// find returns the place of the entry that holds seq, or of the next one after it.
func find(log []ports.Entry, seq uint64) int {
	return sort.Search(len(log), func(i int) bool { return log[i].Last >= seq })
}
