// Package strace sees the system calls of a process, in the order in which they began and ended: what reached the disk before what was
// said. It runs strace(1) and reads what that prints. Tests use it.
//
// Read next: syncs.go, which finds out which files were synced.
package strace

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A Call is one system call. A call that caused another, in whatever thread, ended before that began.
type Call struct {
	Name string // such as msync
	Args string // as strace prints them; behind a descriptor stands its file in <>
	// Result is what it returned, such as 0 or -1 EIO (Input/output error); empty if it had not returned when the trace ended.
	Result string
	// Began and Ended number the moments of a trace from 1; Ended is 0 if it had not returned.
	Began, Ended int
}

// Failed tells whether the call returned an error, or did not return.
func (c Call) Failed() bool { return c.Result == "" || strings.HasPrefix(c.Result, "-1 ") }

// Usable says why processes cannot be traced here, or nil: strace may be missing, or the kernel may not allow it.
func Usable(ctx context.Context) error {
	if _, err := exec.LookPath("strace"); err != nil {
		return fmt.Errorf("strace is not there: %w", err)
	}
	dir, err := os.MkdirTemp("", "strace-")
	if err != nil {
		return err
	}
	cmd := Command(ctx, filepath.Join(dir, "trace"), []string{"close"}, "true")
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("tracing is not allowed here: %w: %s", err, out)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// Command runs a program under strace, which writes the named calls of all its threads and children to the file trace.
//
// Signals are for the program itself: strace, when it gets one, lets go of the program and ends.
func Command(ctx context.Context, trace string, calls []string, program string, args ...string) *exec.Cmd {
	all := append([]string{
		"-f", "-y", "-qq", "-s", "32", "--seccomp-bpf", // only the named calls stop the process
		"-e", "signal=none", "-e", "trace=" + strings.Join(calls, ","), "-o", trace, "--", program,
	}, args...)
	return exec.CommandContext(ctx, "strace", all...) //nolint:gosec // what a test says
}

// The forms of a line: a call that returned before any other line, one that did not, and its end.
var (
	whole   = regexp.MustCompile(`^(\w+)\((.*)\)\s+= (.*)$`)
	begun   = regexp.MustCompile(`^(\w+)\((.*?)\s*<unfinished \.\.\.>$`)
	resumed = regexp.MustCompile(`^<\.\.\. (\w+) resumed>(.*)\)\s+= (.*)$`)
)

// Read returns the calls of a trace in the order in which they began.
func Read(trace string) ([]Call, error) {
	f, err := os.Open(trace)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	var r reader
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		r.line(lines.Text())
	}
	return r.calls, lines.Err()
}

// A reader puts the lines of a trace together. A line is "PID text".
type reader struct {
	calls []Call
	now   int
	open  map[string]int // pid -> index of the call that it is in
}

func (r *reader) line(text string) {
	r.now++
	pid, text, _ := strings.Cut(text, " ")
	text = strings.TrimLeft(text, " ")
	if r.open == nil {
		r.open = map[string]int{}
	}
	if _, err := strconv.Atoi(pid); err != nil {
		return // strace's own words
	}
	if m := resumed.FindStringSubmatch(text); m != nil {
		if i, ok := r.open[pid]; ok {
			c := &r.calls[i]
			c.Args, c.Result, c.Ended = c.Args+m[2], m[3], r.now
			delete(r.open, pid)
		}
	} else if m := begun.FindStringSubmatch(text); m != nil {
		r.open[pid] = len(r.calls)
		r.calls = append(r.calls, Call{Name: m[1], Args: m[2], Began: r.now})
	} else if m := whole.FindStringSubmatch(text); m != nil {
		r.calls = append(r.calls, Call{Name: m[1], Args: m[2], Result: m[3], Began: r.now, Ended: r.now})
	}
}
