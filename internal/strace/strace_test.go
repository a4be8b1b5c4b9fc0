package strace

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const trace = `41 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 9</d/1.mem>, 0) = 0x7f01
41 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f02
41 read(5<socket:[77]>, "POST /a) = 1"..., 4096) = 224
42 msync(0x7f01, 4096, MS_SYNC <unfinished ...>
41 write(5<socket:[77]>, "HTTP/1.1 200", 12 <unfinished ...>
42 <... msync resumed>)              = 0
43 fsync(6</d>)                       = 0
41 <... write resumed>)              = 12
42 mremap(0x7f01, 4096, 100, MREMAP_MAYMOVE) = 0x7f03
42 msync(0x7f03, 50, MS_SYNC) = 0
42 msync(0x7f03, 100, MS_ASYNC) = 0
42 msync(0x7f03, 100, MS_SYNC) = -1 EIO (Input/output error)
42 msync(0x7f03, 100, MS_SYNC) = 0
42 munmap(0x7f03, 100)                     = 0
42 msync(0x7f03, 100, MS_SYNC) = 0
strace: a word of its own
42 fdatasync(6</d/2> <unfinished ...>
`

func read(t *testing.T) []Call {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trace")
	if err := os.WriteFile(file, []byte(trace), 0o600); err != nil {
		t.Fatal(err)
	}
	calls, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

func TestRead(t *testing.T) {
	t.Parallel()
	calls := read(t)
	want := []Call{
		{Name: "read", Args: `5<socket:[77]>, "POST /a) = 1"..., 4096`, Result: "224", Began: 3, Ended: 3},
		{Name: "msync", Args: "0x7f01, 4096, MS_SYNC", Result: "0", Began: 4, Ended: 6},
		{Name: "write", Args: `5<socket:[77]>, "HTTP/1.1 200", 12`, Result: "12", Began: 5, Ended: 8},
		{Name: "fsync", Args: "6</d>", Result: "0", Began: 7, Ended: 7},
	}
	if diff := cmp.Diff(want, calls[2:6]); diff != "" {
		t.Error(diff)
	}
	if last := calls[len(calls)-1]; !last.Failed() || last.Ended != 0 || last.Name != "fdatasync" {
		t.Errorf("what had not returned is %+v", last)
	}
}

func TestSyncs(t *testing.T) {
	t.Parallel()
	want := []Sync{{"/d/1.mem", 4, 6}, {"/d", 7, 7}, {"/d/1.mem", 13, 13}}
	if diff := cmp.Diff(want, Syncs(read(t))); diff != "" {
		t.Error(diff)
	}
}
