package portstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"posthorn/ports"
)

// StoreOptions says how Store gets at the store under test.
type StoreOptions struct {
	// Open opens the store that lives in dir, or makes it if dir is empty; it ends the test if it cannot. A store that is
	// not durable leaves dir alone. The suite closes what it opened.
	Open func(tb testing.TB, dir string) ports.Store
	// Durable says that a store closed and opened again in the same dir has kept everything.
	Durable bool
}

// Store is the conformance suite of ports.Store: an adapter is right when it passes, also under the race detector.
// Its subtests run in parallel and open a store each.
func Store(t *testing.T, o StoreOptions) {
	t.Helper()
	for _, s := range storeTests() {
		if s.durable && !o.Durable {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := &bench{t: t, dir: dir, opts: o, store: o.Open(t, dir)}
			t.Cleanup(func() { b.check(b.store.Close()) })
			s.run(b)
		})
	}
	t.Run("Model", func(t *testing.T) {
		t.Parallel()
		testModel(t, o)
	})
}

// A storeTest holds one sentence of the contract.
type storeTest struct {
	name    string
	durable bool // it is for durable stores only
	run     func(*bench)
}

func storeTests() []storeTest {
	return []storeTest{
		{"ApplyStoresEverything", false, testApplyStoresEverything},
		{"ApplyWithoutEntries", false, testApplyWithoutEntries},
		{"ApplyOutOfOrder", false, testApplyOutOfOrder},
		{"ApplyTooLarge", false, testApplyTooLarge},
		{"ApplyAtItsLimits", false, testApplyAtItsLimits},
		{"ApplyKeyTwice", false, testApplyKeyTwice},
		{"ApplyDeletes", false, testApplyDeletes},
		{"RewritesAreAtomic", false, testRewrite},
		{"RewritesOfWhatIsNotThere", false, testRewriteMissing},
		{"RewritesFarApart", false, testRewriteFarApart},
		{"RewritesAtTheirLimit", false, testRewriteLimit},
		{"RemovedEntriesLeaveGaps", false, testRemove},
		{"RemovedEntriesStayInOlderViews", false, testRemoveBesideView},
		{"LogEmptiedGoesOn", false, testRemoveAll},
		{"ApplyEndedContext", false, testApplyEndedContext},
		{"ApplyLeavesSlices", false, testApplyLeavesSlices},
		{"EmptyStore", false, testEmptyStore},
		{"Get", false, testGet},
		{"ScanBounds", false, testScanBounds},
		{"ScanOrderIsBytewise", false, testScanOrder},
		{"ScanStopsEarly", false, testScanStops},
		{"EntriesAfter", false, testEntriesAfter},
		{"EntriesKeepNumericOrder", false, testEntriesOrder},
		{"ViewReturnsTheError", false, testViewError},
		{"ViewEndedContext", false, testViewEndedContext},
		{"ViewIsASnapshot", false, testSnapshot},
		{"ViewsNest", false, testViewsNest},
		{"ViewsBesideApply", false, testConcurrent},
		{"Closed", false, testClosed},
		{"CloseWaitsForViews", false, testCloseWaits},
		{"CloseManyTimes", false, testCloseMany},
		{"ReopenKeepsEverything", true, testReopen},
		{"ReopenContinues", true, testReopenContinues},
		{"ReopenKeepsGaps", true, testReopenGaps},
	}
}

// A bench is one store on the test bench.
type bench struct {
	t     testing.TB
	dir   string
	opts  StoreOptions
	store ports.Store
}

func (b *bench) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// apply stores c, which must succeed.
func (b *bench) apply(c ports.Commit) {
	b.t.Helper()
	b.check(b.store.Apply(context.Background(), c))
}

// refuse applies c, which must fail with want (any error if want is nil) and change nothing.
func (b *bench) refuse(c ports.Commit, want error) {
	b.t.Helper()
	before := b.dump()
	err := b.store.Apply(context.Background(), c)
	if err == nil || want != nil && !errors.Is(err, want) {
		b.t.Fatalf("Apply returned %v, want %v", err, want)
	}
	b.same(before)
}

// view runs read, which must not fail.
func (b *bench) view(read func(ports.Reader) error) {
	b.t.Helper()
	b.check(b.store.View(context.Background(), read))
}

// reopen closes the store and opens it again.
func (b *bench) reopen() {
	b.t.Helper()
	b.check(b.store.Close())
	b.store = b.opts.Open(b.t, b.dir)
}

// content is all that a snapshot shows, copied.
type content struct {
	Pairs   []ports.Pair
	Entries []ports.Entry
	Last    uint64
}

func (b *bench) dump() (c content) {
	b.t.Helper()
	b.view(func(r ports.Reader) (err error) {
		c, err = readAll(r)
		return err
	})
	return c
}

// same fails unless the store shows exactly want.
func (b *bench) same(want content) {
	b.t.Helper()
	b.equal(b.dump(), want)
}

func (b *bench) equal(got, want content) {
	b.t.Helper()
	if d := diff(want, got); d != "" {
		b.t.Fatalf("the store shows something else (-want +got):\n%s", d)
	}
}

// diff takes nil and empty slices for the same: a store does not tell them apart.
func diff(want, got any) string {
	return cmp.Diff(want, got, cmpopts.EquateEmpty())
}

func readAll(r ports.Reader) (content, error) {
	var c content
	var err error
	if c.Pairs, err = scan(r, nil, nil, false); err != nil {
		return c, err
	}
	if c.Entries, err = entries(r, 0); err != nil {
		return c, err
	}
	c.Last, err = r.LastSeq()
	return c, err
}

// scan collects copies, for the pairs are valid only until the next step.
func scan(r ports.Reader, from, to []byte, reverse bool) ([]ports.Pair, error) {
	var all []ports.Pair
	for p, err := range r.Scan(from, to, reverse) {
		if err != nil {
			return nil, fmt.Errorf("scan %q to %q: %w", from, to, err)
		}
		all = append(all, ports.Pair{Key: bytes.Clone(p.Key), Value: bytes.Clone(p.Value)})
	}
	return all, nil
}

// entries collects copies, as scan does.
func entries(r ports.Reader, after uint64) ([]ports.Entry, error) {
	var all []ports.Entry
	for e, err := range r.Entries(after) {
		if err != nil {
			return nil, fmt.Errorf("entries after %d: %w", after, err)
		}
		e.Data = bytes.Clone(e.Data)
		all = append(all, e)
	}
	return all, nil
}

func pair(key, value string) ports.Pair {
	return ports.Pair{Key: []byte(key), Value: []byte(value)}
}

// gone is a rewrite that removes an entry.
func gone(first, last uint64) ports.Entry { return ports.Entry{First: first, Last: last} }

func entry(first, last uint64, data string) ports.Entry {
	return ports.Entry{First: first, Last: last, Data: []byte(data)}
}
