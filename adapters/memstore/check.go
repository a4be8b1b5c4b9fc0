package memstore

import (
	"errors"
	"fmt"

	"posthorn/ports"
)

// errTwice is for the caller's fault of naming a key more than once in a commit.
var errTwice = errors.New("a key is named twice in one commit")

// check says whether c may follow the event last.
func check(c ports.Commit, last uint64) error {
	if err := checkOrder(c.Entries, last); err != nil {
		return err
	}
	if err := checkSize(c); err != nil {
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
	writes := len(c.Entries) + len(c.Puts) + len(c.Deletes)
	if writes > commitWrites {
		return tooLarge("commit of %d writes, at most %d fit; split it", writes, commitWrites)
	}
	total, largest := 0, 0
	for _, e := range c.Entries {
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

func lastOf(entries []ports.Entry) uint64 {
	if len(entries) == 0 {
		return 0
	}
	return entries[len(entries)-1].Last
}
