package broker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell is a server of one line, which serves once it has made the file named up in its directory.
func shell(t *testing.T, line string) Spec {
	t.Helper()
	dir := t.TempDir()
	return Spec{Name: "shell", Path: "sh", Args: []string{"-c", line}, Dir: dir, Env: []string{"GREETING=hello"}, Ready: func(context.Context) error {
		return os.Remove(filepath.Join(dir, "up")) // so that the next life has to make it again
	}}
}

// runs tells whether a process of the test's own is there, and not only its remains.
func runs(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestStartKillRestartClose(t *testing.T) {
	t.Parallel()
	p, err := Start(t.Context(), shell(t, `trap 'echo asked to end; exit' TERM; echo $GREETING; : >up; while :; do sleep 0.02; done`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	first := p.running.cmd.Process.Pid
	p.Kill()
	p.Kill() // it is down
	if runs(first) || strings.Contains(p.Output(), "asked") {
		t.Errorf("after Kill: runs %v, has printed %q", runs(first), p.Output())
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := p.running.cmd.Process.Pid
	if err := p.Restart(t.Context()); err != nil || runs(second) { // kills what runs
		t.Fatalf("restart: %v, the one before runs: %v", err, runs(second))
	}
	third := p.running.cmd.Process.Pid
	p.Pause()
	p.Close() // reaches a paused one too
	p.Close()
	if runs(third) || p.Output() != strings.Repeat("hello\n", 3)+"asked to end\n" {
		t.Errorf("after Close: runs %v, has printed %q", runs(third), p.Output())
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	p, err := Start(t.Context(), shell(t, `: >up; exec sleep 1000`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	state := func() string {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(p.running.cmd.Process.Pid) + "/stat")
		if err != nil {
			t.Skipf("only Linux tells a process's state as it is read here: %v", err)
		}
		return strings.Fields(string(text))[2]
	}
	wait := func(until func(string) bool) {
		for !until(state()) {
			if t.Context().Err() != nil {
				t.Fatal("the process is in state " + state())
			}
		}
	}
	p.Pause()
	wait(func(s string) bool { return s == "T" })
	p.Resume()
	wait(func(s string) bool { return s != "T" })
}

func TestStartSaysWhy(t *testing.T) {
	t.Parallel()
	t.Run("it ends", func(t *testing.T) {
		t.Parallel()
		_, err := Start(t.Context(), shell(t, `echo no room >&2; exit 3`))
		if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no room") {
			t.Errorf("start: %v, want the exit status and what it printed", err)
		}
	})
	t.Run("it never serves", func(t *testing.T) {
		t.Parallel()
		s := shell(t, `exec sleep 1000`)
		ctx, cancel := context.WithCancel(t.Context())
		s.Ready = func(context.Context) error { cancel(); return errors.New("not yet") }
		if _, err := Start(ctx, s); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "not yet") {
			t.Errorf("start: %v, want the end of the context and the last answer", err)
		}
	})
	t.Run("there is no such program", func(t *testing.T) {
		t.Parallel()
		if _, err := Start(t.Context(), Spec{Name: "none", Path: "/does/not/exist"}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("start: %v", err)
		}
	})
}

func TestTailKeepsTheLast(t *testing.T) {
	t.Parallel()
	var last tail
	for range 3 {
		_, _ = last.Write(make([]byte, kept/2+1))
	}
	_, _ = last.Write([]byte("end"))
	if got := last.String(); len(got) != kept || !strings.HasSuffix(got, "end") {
		t.Errorf("%d bytes are kept of %d, ending with %q", len(got), kept, got[len(got)-3:])
	}
}

func TestKafka(t *testing.T) {
	t.Parallel()
	installed := Installed(t, "kafka")
	start := time.Now()
	k, err := StartKafka(t.Context(), installed, t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	t.Logf("three nodes serve after %v", time.Since(start))
	start = time.Now()
	if err := k.Nodes[0].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("a killed node serves again after %v", time.Since(start))
}
