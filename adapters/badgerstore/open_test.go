package badgerstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"posthorn/ports"
)

// holdDir is the variable that makes this test binary the other process: it fills the store in that directory until it
// is killed.
const holdDir = "BADGERSTORE_TEST_HOLD"

// TestHold is no test but the other process.
func TestHold(t *testing.T) {
	t.Parallel()
	dir := os.Getenv(holdDir)
	if dir == "" {
		t.SkipNow() // nobody asked for the other process
	}
	s := open(t, dir)
	for n := uint64(1); ; n++ {
		if err := s.Apply(t.Context(), numbered(n)); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(os.Stdout, "applied %d\n", n); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOpenLocked meets a process that holds the directory, kills it in the midst of its commits, and takes over.
func TestOpenLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHold$")
	other.Env = append(os.Environ(), holdDir+"="+dir)
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var applied uint64
	for applied < 20 && lines.Scan() {
		_, _ = fmt.Sscanf(lines.Text(), "applied %d", &applied) // other lines are the test binary's own
	}

	_, err = Open(t.Context(), testOptions(dir))
	want := fmt.Sprintf("data directory %s is in use by pid %d; stop it, or talk to it with --server", dir, other.Process.Pid)
	if !errors.Is(err, ports.ErrLocked) || !strings.HasPrefix(fmt.Sprint(err), want) {
		t.Errorf("Open returned %v, want %v that begins with %q", err, ports.ErrLocked, want)
	}

	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // what it said before it died counts
		_, _ = fmt.Sscanf(lines.Text(), "applied %d", &applied)
	}
	_ = other.Wait() // it was killed
	s := open(t, dir)
	if n, err := whole(s); err != nil || n < applied {
		t.Errorf("the store holds the commits to %d, want at least %d: %v", n, applied, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	_, err := Open(t.Context(), testOptions(dir))
	if want := fmt.Sprintf("in use by pid %d;", os.Getpid()); !errors.Is(err, ports.ErrLocked) || !strings.Contains(err.Error(), want) {
		t.Errorf("Open returned %v, want %v with %q", err, ports.ErrLocked, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, lockName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file with the pid is still there: %v", err)
	}
	if err := open(t, dir).Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesFormat(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"posthorn data directory, format 4\n": "has format 4, this binary reads up to 3; use a newer posthorn, or another directory",
		"posthorn data directory, format 2\n": "has format 2, of before the first release; this binary reads format 3; " +
			"name another directory, or use the posthorn that wrote it",
		"posthorn data directory, format 0\n":  ports.ErrDamaged.Error(),
		"posthorn data directory, format -1\n": ports.ErrDamaged.Error(),
		"":                                     ports.ErrDamaged.Error(),
		"something else\n":                     ports.ErrDamaged.Error(),
	} {
		dir := writeDir(t, map[string][]byte{formatName: []byte(text)})
		_, err := Open(t.Context(), testOptions(dir))
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("format %q: Open returned %v, want an error that ends with %q", text, err, want)
		}
		if files := readDir(t, dir); len(files) != 1 {
			t.Errorf("format %q: Open made files in a directory that it refused: %d", text, len(files))
		}
	}
}

func TestOpenMakesDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, want 0700: %v", info.Mode(), err)
	}
	text, err := os.ReadFile(filepath.Join(dir, formatName))
	if want := "posthorn data directory, format 3\n"; string(text) != want {
		t.Errorf("%s says %q, want %q: %v", formatName, text, want, err)
	}
}

func TestOpenRefusesWhatIsNoDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below"), "/proc/posthorn", ""} {
		_, err := Open(t.Context(), testOptions(dir))
		want := fmt.Sprintf("data directory %q cannot be made: ", dir)
		if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "; name a directory") {
			t.Errorf("Open(%q) returned %v, want an error that begins with %q and says what to do", dir, err, want)
		}
	}
}

func TestOpenEndedContext(t *testing.T) {
	t.Parallel()
	dir := writeDir(t, closed(t, 4))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, testOptions(dir)); !errors.Is(err, context.Canceled) {
		t.Errorf("Open returned %v, want %v", err, context.Canceled)
	}
	if err := open(t, dir).Close(); err != nil { // the lock was released
		t.Error(err)
	}
}
