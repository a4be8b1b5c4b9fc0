package harness_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files; review them as a diff")

const senderDir = "../testdata/harness/sender"

// TestSenders: a test of 15 lines that uses only this package passes with a plain net/http sender, and fails readably when the sender
// drops, duplicates, reorders or mis-signs one message. What it then says is golden. The test is built as any other, and run as a program.
func TestSenders(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "sender.test")
	build := []string{"test", "-c", "-o", bin}
	if raced() { // so that what go test has built for us is not built once more
		build = append(build, "-race")
	}
	cmd := exec.CommandContext(t.Context(), "go", append(build, ".")...)
	cmd.Dir = senderDir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	for _, fault := range []string{"none", "drop", "duplicate", "reorder", "mis-sign"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), bin, "-test.v")
			cmd.Env = append(os.Environ(), "SENDER_FAULT="+fault)
			out, err := cmd.CombinedOutput()
			if (err == nil) != (fault == "none") {
				t.Errorf("the test ended with %v", err)
			}
			golden(t, filepath.Join(senderDir, "golden", fault+".txt"), steady(out))
		})
	}
}

// steady takes out what differs from run to run: ports and times.
func steady(text []byte) []byte {
	for _, c := range []struct{ from, to string }{
		{`127\.0\.0\.1:[0-9]+`, "127.0.0.1:PORT"},
		{`\([0-9.]+s\)`, "(TIME)"},
		{`[a-z_]+\.go:[0-9]+`, "FILE"},
	} {
		text = regexp.MustCompile(c.from).ReplaceAll(text, []byte(c.to))
	}
	return text
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("it said\n%s\nwant, by %s,\n%s\nif it is right, run go test -update ./harness", got, file, want)
	}
}

// raced tells whether this test runs under the race detector.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
