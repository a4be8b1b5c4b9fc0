package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"posthorn/adapters/httpclient"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/harness/script"
)

func TestMain(m *testing.M) {
	testscript.Main(checked{m}, map[string]func(){"posthorn": main, "burst": burst, "told": told, "repeating": repeating, "floorless": floorless})
}

// checked looks for goroutines that are left when all tests have ended.
type checked struct{ *testing.M }

func (c checked) Run() int {
	// Scripts wait for the most part, so twice as many as usual run at once; -parallel says otherwise.
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
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
//	await-file FILE REGEX
//	    waits until what a background program writes to FILE matches.
//	burst URL MESSAGES CANDIDATES
//	    a program: posts both for company 42 until the engine is gone, and writes the ids of the accepted to two files, one a line.
//	told URL CANDIDATES
//	    a program: fails unless a call that tells of each candidate in the file has succeeded.
func TestScripts(t *testing.T) {
	t.Parallel()
	scripts(t, func(env *testscript.Env, _ int64) { env.Setenv(script.Within, "1m") }) // for a busy machine
}

// scriptsEnd is how long after its start a run of scripts ends them, for a program that should have ended, and has not, must not hold up the
// others. A script's turn may come late.
const scriptsEnd = 8 * time.Minute

// scripts runs all of them. prepare is told which script it prepares, from 1.
func scripts(t *testing.T, prepare func(env *testscript.Env, nth int64)) {
	t.Helper()
	commands := script.Commands()
	commands["exits"], commands["await-file"] = exits, awaitFile
	var count atomic.Int64
	testscript.Run(t, testscript.Params{
		Dir:  "../../testdata/script",
		Cmds: commands,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", os.Getenv("GORACE"))
			prepare(env, count.Add(1))
			return script.Setup(env)
		},
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(scriptsEnd),
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

func awaitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await-file FILE REGEX")
	}
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	const within = time.Minute
	late := time.After(within)
	for {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && want.Match(text) {
			return
		}
		select {
		case <-poll.C:
		case <-late:
			ts.Fatalf("%s has no match for %s within %v: %.1000s (%v)", args[0], args[1], within, text, err)
		}
	}
}

// burst posts from a few goroutines at once, so that many commands wait when the engine dies.
func burst() {
	messages, err := os.Create(os.Args[2])
	fatal(err)
	candidates, err := os.Create(os.Args[3])
	fatal(err)
	var posting sync.WaitGroup
	for range 4 {
		posting.Go(func() {
			for post(os.Args[1]+"/v1/companies/42/messages", `{"eventType":"invoice.paid","data":{"n":1}}`, messages) == nil {
				continue
			}
		})
		posting.Go(func() {
			for post(os.Args[1]+"/candidates", `{"companyId":"42","email":"ada@example.com","firstName":"Ada","lastName":"Lovelace"}`, candidates) == nil {
				continue
			}
		})
	}
	posting.Wait()
	fatal(errors.Join(messages.Close(), candidates.Close()))
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// post writes the id of what was accepted, and returns an error when it was not.
func post(url, body string, accepted io.Writer) error {
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	_, id, found := bytes.Cut(answer, []byte(`"id":"`))
	if resp.StatusCode/100 != 2 || !found {
		return errors.New(resp.Status)
	}
	id, _, _ = bytes.Cut(id, []byte(`"`))
	_, err = fmt.Fprintf(accepted, "%s\n", id) // one write: whole lines, whoever else writes
	return err
}

// told reads the succeeded calls of company 42 and looks for each candidate of a file among their resources.
func told() {
	client, err := httpclient.New(os.Args[1], httpclient.Options{})
	fatal(err)
	succeeded := map[string]bool{}
	for call, err := range client.Calls(context.Background(), engine.CallQuery{Company: "42", State: core.Succeeded, Limit: engine.MaxLimit}) {
		fatal(err)
		if call.Resource != nil {
			succeeded[call.Resource.ID] = true
		}
	}
	text, err := os.ReadFile(os.Args[2])
	fatal(err)
	ids := strings.Fields(string(text))
	for _, id := range ids {
		if !succeeded[id] {
			fatal(fmt.Errorf("candidate %s was accepted, and no call that tells of it succeeded", id))
		}
	}
	fmt.Printf("%d candidates accepted, all told\n", len(ids))
}
