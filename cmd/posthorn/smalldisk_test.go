package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallDisk is the variable that tells a test that it runs inside, and where.
const smallDisk = "POSTHORN_TEST_SMALL_DISK"

// onSmallDisk runs the rest of a test with a real, small file system at the directory that it returns. For that it runs the test once
// more, in a process of its own with user and mount namespaces of its own, which need no rights of root and go with the process; the test
// outside returns false. Where the kernel forbids namespaces the test is skipped.
func onSmallDisk(t *testing.T, mib int) (dir string, inside bool) {
	t.Helper()
	if dir = os.Getenv(smallDisk); dir != "" {
		if err := unix.Mount("posthorn-test", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
			t.Skipf("a file system cannot be mounted here: %v", err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		return dir, true
	}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), smallDisk+"="+t.TempDir())
	again.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	out, err := again.CombinedOutput()
	switch {
	case errors.As(err, new(*exec.ExitError)):
		t.Errorf("inside: %v\n%s", err, out)
	case err != nil:
		t.Skipf("namespaces cannot be made here: %v", err)
	case bytes.Contains(out, []byte("--- SKIP: "+t.Name())):
		t.Skipf("inside: %s", out)
	case !bytes.Contains(out, []byte("--- PASS: "+t.Name())):
		t.Errorf("nothing ran inside:\n%s", out)
	default:
		t.Logf("inside:\n%s", out)
	}
	return "", false
}

// fillDisk writes a file until fewer than 64 KiB more than so many bytes are free.
func fillDisk(t *testing.T, path string, leave uint64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it is only to be there
	chunk := make([]byte, 64<<10)
	for free(t, filepath.Dir(path)) >= leave+uint64(len(chunk)) {
		_, err := f.Write(chunk)
		if errors.Is(err, unix.ENOSPC) { // others write, too
			end, _ := f.Seek(0, io.SeekCurrent)
			err = f.Truncate(end - int64(len(chunk))/2)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func free(t *testing.T, dir string) uint64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return st.Bavail * uint64(st.Bsize)
}

// A running program is one of this test binary's programs, as testscript.Main has them.
type running struct {
	*exec.Cmd

	url    string
	exited chan struct{} // closed when it has ended; err says how

	mu     sync.Mutex
	stderr bytes.Buffer
}

// Write keeps what it writes to its standard error.
func (p *running) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.Write(b)
}

func (p *running) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// prepared is one of the programs, with its name as the shell would give it.
func prepared(ctx context.Context, args ...string) *running {
	p := &running{Cmd: exec.CommandContext(ctx, os.Args[0]), exited: make(chan struct{})}
	p.Args = args
	p.Stderr = p
	return p
}

// run waits for the end of a program and returns its exit code and what it printed.
func (p *running) run(t *testing.T) (code int, stdout string) {
	t.Helper()
	out, err := p.Output()
	switch {
	case err == nil, errors.As(err, new(*exec.ExitError)):
	case p.SysProcAttr != nil:
		t.Skipf("namespaces cannot be made here: %v", err)
	default:
		t.Fatal(err)
	}
	return p.ProcessState.ExitCode(), string(out)
}

// listening starts a program that serves, and waits until it tells its address.
func listening(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	p := prepared(ctx, args...)
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	first, err := bufio.NewReader(out).ReadString('\n')
	go func() {
		defer close(p.exited)
		_, _ = io.Copy(io.Discard, out)
		_ = p.Wait() // ProcessState says the same
		cancel()
	}()
	t.Cleanup(func() {
		cancel()
		<-p.exited
	})
	url, ok := strings.CutPrefix(strings.TrimSpace(first), "listening on ")
	if !ok {
		cancel()
		<-p.exited
		t.Fatalf("%v said %q (%v) and %s", args, first, err, p.said())
	}
	p.url = url
	return p
}

// stop ends it with SIGTERM and wants exit code 0.
func (p *running) stop(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	<-p.exited
	if code := p.ProcessState.ExitCode(); code != 0 {
		t.Errorf("%v ended with %d and said %s", p.Args, code, p.said())
	}
}
