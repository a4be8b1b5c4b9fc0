package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"posthorn/harness/script"
)

func TestMain(m *testing.M) {
	testscript.Main(checked{m}, map[string]func(){"posthorn": main, "burst": burst})
}

// checked looks for goroutines that are left when all tests have ended.
type checked struct{ *testing.M }

func (c checked) Run() int {
	code := c.M.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScripts runs one script for each promise, route and verb. Next to the verbs of harness/script they have
//
//	exits CODE PROGRAM ARG...
//	    runs a program that must end with this exit code.
//	burst URL FILE
//	    a program: posts candidates to /candidates until the engine is gone, and writes the accepted ids to FILE, one a line.
func TestScripts(t *testing.T) {
	t.Parallel()
	commands := script.Commands()
	commands["exits"] = exits
	testscript.Run(t, testscript.Params{
		Dir:  "../../testdata/script",
		Cmds: commands,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // with -race a process would linger for a second
			return script.Setup(env)
		},
		RequireExplicitExec: true,
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var ended *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &ended) {
		got = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, not %d", got, want)
	}
}

// burst posts from a few goroutines at once, so that many commands wait when the engine dies.
func burst() {
	accepted, err := os.Create(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var posting sync.WaitGroup
	for range 8 {
		posting.Go(func() {
			for post(os.Args[1], accepted) == nil {
			}
		})
	}
	posting.Wait()
	if err := accepted.Close(); err != nil {
		os.Exit(1)
	}
}

const candidate = `{"companyId":"42","email":"ada@example.com","firstName":"Ada","lastName":"Lovelace"}`

func post(url string, accepted io.Writer) error {
	resp, err := http.Post(url+"/candidates", "application/json", strings.NewReader(candidate))
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	_, id, found := bytes.Cut(body, []byte(`"id":"`))
	if resp.StatusCode != http.StatusOK || !found {
		return errors.New(resp.Status)
	}
	id, _, _ = bytes.Cut(id, []byte(`"`))
	_, err = fmt.Fprintf(accepted, "%s\n", id) // one write: whole lines, whoever else writes
	return err
}
