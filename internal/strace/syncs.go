package strace

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// SyncCalls are the calls that Syncs needs to see.
func SyncCalls() []string {
	return []string{"mmap", "mremap", "munmap", "msync", "fsync", "fdatasync"}
}

// A Sync is one that succeeded, of a file or a directory.
type Sync struct {
	File         string // its path
	Began, Ended int
}

// Syncs finds the syncs among calls. An msync names an address only; the mappings before it tell its file. One of a part of a mapping counts
// as none.
func Syncs(calls []Call) []Sync {
	// A mapping is there once its call ended, and gone once the call that takes it away began.
	calls = slices.Clone(calls)
	slices.SortStableFunc(calls, func(a, b Call) int { return cmp.Compare(moment(a), moment(b)) })
	mapped := map[string]mapping{}
	var all []Sync
	for _, c := range calls {
		if c.Failed() {
			continue
		}
		args := strings.Split(c.Args, ", ")
		switch c.Name {
		case "mmap":
			if file := FileOf(c.Args); file != "" && len(args) == 6 && strings.Contains(args[3], "MAP_SHARED") {
				mapped[c.Result] = mapping{file, args[1]}
			}
		case "mremap":
			if old, ok := mapped[args[0]]; ok && len(args) > 2 {
				delete(mapped, args[0])
				mapped[c.Result] = mapping{old.file, args[2]}
			}
		case "munmap":
			delete(mapped, args[0])
		case "msync":
			if m, ok := mapped[args[0]]; ok && len(args) == 3 && args[2] == "MS_SYNC" && atLeast(args[1], m.length) {
				all = append(all, Sync{m.file, c.Began, c.Ended})
			}
		case "fsync", "fdatasync":
			all = append(all, Sync{FileOf(c.Args), c.Began, c.Ended})
		}
	}
	return all
}

type mapping struct{ file, length string }

func moment(c Call) int {
	if c.Name == "munmap" {
		return c.Began
	}
	return max(c.Began, c.Ended)
}

func atLeast(got, want string) bool {
	g, err := strconv.ParseUint(got, 10, 64)
	w, bad := strconv.ParseUint(want, 10, 64)
	return err == nil && bad == nil && g >= w
}

var described = regexp.MustCompile(`(?:^|, |= )\d+<([^>]*)>`)

// FileOf is the path, or the name of the socket or pipe, behind the first descriptor in what strace printed; empty if there is none.
func FileOf(args string) string {
	if m := described.FindStringSubmatch(args); m != nil {
		return m[1]
	}
	return ""
}
