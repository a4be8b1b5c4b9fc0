package child_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"posthorn/bench/internal/child"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func address(line string) (string, bool) { return strings.CutPrefix(line, "listening ") }

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	c, err := child.Start(t.Context(), exec.Command("sh", "-c",
		`trap 'exit 0' TERM; echo hello; echo listening http://there; while :; do :; done`), address)
	if err != nil {
		t.Fatal(err)
	}
	if c.URL != "http://there" {
		t.Errorf("it listens at %q", c.URL)
	}
	u, err := c.Stop()
	if err != nil || u.CPU == 0 {
		t.Errorf("stop: %+v, %v", u, err)
	}
}

func TestStartNothingSaid(t *testing.T) {
	t.Parallel()
	if _, err := child.Start(t.Context(), exec.Command("true"), address); err == nil {
		t.Error("a child that ends at once has started")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := child.Start(ctx, exec.Command("sleep", "1000"), address); err == nil {
		t.Error("a child that says nothing has started")
	}
}

func TestStopReportsFailure(t *testing.T) {
	t.Parallel()
	c, err := child.Start(t.Context(), exec.Command("sh", "-c", `trap 'exit 3' TERM; echo listening x; while :; do :; done`), address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Stop(); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("stop: %v, want exit status 3", err)
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	c, err := child.Start(t.Context(), exec.Command("sh", "-c", `trap '' TERM; echo listening x; while :; do :; done`), address)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(); err != nil {
		t.Errorf("kill: %v", err)
	}
}

func TestFilesOfOurselves(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has /proc as it is read here")
	}
	table, err := os.Create(filepath.Join(t.TempDir(), "000001.sst"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = table.Close() }()
	if got, err := child.FilesOf(os.Getpid()); err != nil || got.Tables != 1 || got.Others < 3 {
		t.Errorf("%+v, %v; want one table, and others beside it", got, err)
	}
	if _, err := child.FilesOf(-1); err == nil {
		t.Error("no process has open files")
	}
}
