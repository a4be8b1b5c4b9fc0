package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthorn/internal/freeport"
)

const testingPage = "../../docs/testing.md"

// snippets are the blocks of the page in one language.
func snippets(t *testing.T, language string) []string {
	t.Helper()
	page, err := os.ReadFile(testingPage)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, found := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllSubmatch(page, -1) {
		all = append(all, string(found[1]))
	}
	return all
}

// TestPageGo: what the page shows in Go stands in tests that are run.
func TestPageGo(t *testing.T) {
	t.Parallel()
	var tests strings.Builder
	for _, file := range []string{"../../testdata/harness/sender/sender_test.go", "../../engine/enginetest/example_test.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(text)
	}
	all := snippets(t, "go")
	for _, s := range all {
		if !strings.Contains(tests.String(), s) {
			t.Errorf("%s shows what no test has:\n%s", testingPage, s)
		}
	}
	if len(all) != 2 {
		t.Errorf("%s has %d snippets in Go, and this test knows of 2", testingPage, len(all))
	}
	said, err := os.ReadFile("../../testdata/harness/sender/golden/mis-sign.txt")
	if err != nil {
		t.Fatal(err)
	}
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if shown := squeeze(snippets(t, "text")[0]); !strings.Contains(squeeze(string(said)), shown) {
		t.Errorf("%s shows what the test does not say:\n%s", testingPage, shown)
	}
}

// TestPageShell runs the page's shell snippets, on ports that are free.
func TestPageShell(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not on this machine")
	}
	wants := []string{
		`(?s)#1 POST /hook id "msg_1", not verified, answered 500.*answered 204.*"ok":true`,
		`^$`,
		`(?s)answered 503.*answered 200.*#3 passed on, answered 204.*  success `,
	}
	all := snippets(t, "sh")
	if len(all) != len(wants) {
		t.Fatalf("%s has %d shell snippets, and this test knows of %d", testingPage, len(all), len(wants))
	}
	for i, want := range wants {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			ports := map[string]string{}
			script := regexp.MustCompile(`127\.0\.0\.1:(9000|9001|9002|8080)`).ReplaceAllStringFunc(all[i], func(address string) string {
				if ports[address] == "" {
					ports[address] = freePort(t)
				}
				return ports[address]
			})
			out, err := shell(t, script, "POSTHORN_SERVER=http://"+ports["127.0.0.1:8080"])
			if err != nil || !regexp.MustCompile(want).Match(out) {
				t.Errorf("%s\nended with %v and said\n%s\nwant %s", script, err, out, want)
			}
		})
	}
}

// shell runs a script that starts programs of its own. They end with it, whatever it does.
func shell(t *testing.T, script string, env ...string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-eu", "-c", script)
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrWaitDelay) {
		_ = cmd.Cancel()
	}
	return out, err
}

// freePort is an address on which only this test listens.
func freePort(t *testing.T) string {
	t.Helper()
	port, err := freeport.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// TestPagePytest runs the page's Python as it stands.
func TestPagePytest(t *testing.T) {
	t.Parallel()
	if out, err := exec.CommandContext(t.Context(), "python3", "-m", "pytest", "--version").CombinedOutput(); err != nil {
		t.Skipf("python3 with pytest is not on this machine: %v %s", err, out)
	}
	all := snippets(t, "python")
	if len(all) != 1 {
		t.Fatalf("%s has %d snippets in Python, and this test knows of 1", testingPage, len(all))
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "test_sender.py"), []byte(all[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_sender.py")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "2 passed") {
		t.Errorf("ended with %v and said\n%s", err, out)
	}
}
