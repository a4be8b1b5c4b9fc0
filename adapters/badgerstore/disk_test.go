package badgerstore

import (
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"posthorn/ports"
)

// filling returns options for a store with the default floor, on a disk that has as much room as it is told.
func filling(t *testing.T) (Options, *atomic.Uint64) {
	t.Helper()
	free := new(atomic.Uint64)
	o := testOptions(t.TempDir())
	o.DiskFloor = 0
	o.freeSpace = func(string) (uint64, error) { return free.Load(), nil }
	return o, free
}

// TestDiskLow lets the disk fill up and be cleared again.
func TestDiskLow(t *testing.T) {
	t.Parallel()
	o, free := filling(t)
	free.Store(1 << 30)
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 1, 3)

	free.Store(DefaultDiskFloor - 1)
	err = s.Apply(t.Context(), numbered(4))
	if !errors.Is(err, ports.ErrDiskLow) || !strings.Contains(err.Error(), "255 MiB free, at least 256 MiB are needed; make room") {
		t.Errorf("Apply returned %v, want %v with the numbers", err, ports.ErrDiskLow)
	}
	if n, err := whole(s); n != 3 || err != nil { // it goes on to read
		t.Errorf("the store holds the commits to %d, want 3: %v", n, err)
	}

	free.Store(DefaultDiskFloor)
	fill(t, s, 4, 4)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	free.Store(0)
	if _, err := Open(t.Context(), o); !errors.Is(err, ports.ErrDiskLow) {
		t.Errorf("Open returned %v, want %v", err, ports.ErrDiskLow)
	}
	o.freeSpace = func(string) (uint64, error) { return 0, io.ErrUnexpectedEOF }
	if _, err := Open(t.Context(), o); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Open returned %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

func TestFreeSpace(t *testing.T) {
	t.Parallel()
	if free, err := freeSpace(t.TempDir()); err != nil || free == 0 {
		t.Errorf("freeSpace returned %d, %v", free, err)
	}
	if _, err := freeSpace("/proc/self/no such place"); err == nil {
		t.Error("freeSpace of a place that does not exist returned no error")
	}
}

// TestFloorGrowsWithCompaction: beside its floor a store leaves free what the next compaction may write, also when it is opened.
func TestFloorGrowsWithCompaction(t *testing.T) {
	t.Parallel()
	o, free := filling(t)
	free.Store(1 << 40)
	reopen := func() (*Store, error) { return Open(t.Context(), o) }
	s, err := reopen()
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 1, 3)
	if err := s.Close(); err != nil { // now they are in a table of level 0
		t.Fatal(err)
	}
	if s, err = reopen(); err != nil {
		t.Fatal(err)
	}
	compacted := s.compacted()
	if compacted == 0 || compacted > 1<<20 {
		t.Errorf("a compaction of three small commits writes %d bytes", compacted)
	}
	free.Store(DefaultDiskFloor + compacted - 1)
	if err := s.Apply(t.Context(), numbered(4)); !errors.Is(err, ports.ErrDiskLow) {
		t.Errorf("Apply returned %v, want %v", err, ports.ErrDiskLow)
	}
	free.Store(DefaultDiskFloor + compacted)
	fill(t, s, 4, 4)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	free.Store(DefaultDiskFloor)
	if _, err := reopen(); !errors.Is(err, ports.ErrDiskLow) {
		t.Errorf("Open returned %v, want %v", err, ports.ErrDiskLow)
	}
	if _, err := Compact(t.Context(), o); err != nil {
		t.Errorf("Compact of a store that Open refuses: %v", err)
	}
	free.Store(1 << 40)
	if s, err = reopen(); err != nil {
		t.Fatal(err)
	}
	if n, err := whole(s); n != 4 || err != nil {
		t.Errorf("the store holds the commits to %d, want 4: %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
