package main

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"posthorn/internal/strace"
)

// TestNothingIsAnsweredBeforeItsSync watches the binary's system calls. A killed process keeps the page cache, so no kill shows what a power
// loss would take; what shows it is that between the read of a command and the write of its 2xx a sync of the store's log has begun and
// ended. One command at a time: there is no other commit whose sync it could be. Then many at once.
func TestNothingIsAnsweredBeforeItsSync(t *testing.T) {
	t.Parallel()
	if err := strace.Usable(t.Context()); err != nil {
		t.Skip(err)
	}
	const one, many = 50, 50
	dir := t.TempDir()
	trace, data := filepath.Join(dir, "trace"), filepath.Join(dir, "data")
	url, stop := serveTraced(t, trace, data)
	for range one {
		accept(t, url)
	}
	var all sync.WaitGroup
	for range many {
		all.Go(func() { accept(t, url) })
	}
	all.Wait()
	stop()

	calls, err := strace.Read(trace)
	if err != nil {
		t.Fatal(err)
	}
	answers := answersIn(calls)
	if len(answers) != one+many {
		t.Fatalf("the trace shows %d answers, want %d", len(answers), one+many)
	}
	syncs := strace.Syncs(calls)
	for i, a := range answers {
		covered := slices.ContainsFunc(syncs, func(s strace.Sync) bool {
			return filepath.Dir(s.File) == data && filepath.Ext(s.File) == ".mem" && s.Began > a.read && s.Ended < a.written
		})
		if !covered {
			t.Errorf("answer %d was written (line %d of the trace) without a sync of the store's log since its command was read (line %d)",
				i+1, a.written, a.read)
		}
	}
}

// serveTraced runs `posthorn serve` under strace. stop ends it, and returns when the trace is whole.
func serveTraced(t *testing.T, trace, data string) (url string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := strace.Command(ctx, trace, append(strace.SyncCalls(), "read", "write"), "posthorn", "serve", "--data", data, "--listen", "127.0.0.1:0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for url == "" && lines.Scan() {
		url, _ = strings.CutPrefix(lines.Text(), "listening on ")
	}
	stop = sync.OnceFunc(func() { end(t, cmd, data) })
	t.Cleanup(stop)
	if url == "" {
		t.Fatalf("the server did not say where it listens: %v", lines.Err())
	}
	return url, stop
}

// end ends a traced server by its own pid, which its lock file tells: strace would only let go of it.
func end(t *testing.T, traced *exec.Cmd, data string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "LOCK"))
	if err != nil {
		t.Error(err)
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
		t.Error(err)
	} else if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := traced.Wait(); err != nil {
		t.Error(err)
	}
}

// accept has one candidate accepted.
func accept(t *testing.T, url string) {
	t.Helper()
	body := strings.NewReader(`{"email":"ada@example.com","firstName":"Ada","lastName":"Lovelace"}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/companies/42/candidates", body)
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusCreated {
		t.Errorf("answered %s, %v", res.Status, err)
	}
}

// An exchange is a 2xx: when the first read of its command ended, and when the write of the answer began.
type exchange struct{ read, written int }

// answersIn finds them. On a connection a command is read, then it is answered, then the next is read.
func answersIn(calls []strace.Call) (all []exchange) {
	asked := map[string]int{}
	for _, c := range calls {
		socket := strace.FileOf(c.Args)
		switch {
		case !strings.HasPrefix(socket, "socket:") && !strings.HasPrefix(socket, "TCP"):
		case c.Name == "read" && !c.Failed() && c.Result != "0":
			if asked[socket] == 0 {
				asked[socket] = c.Ended
			}
		case c.Name == "write" && strings.Contains(c.Args, `, "HTTP/1.1 2`):
			all = append(all, exchange{asked[socket], c.Began})
			delete(asked, socket)
		}
	}
	return all
}
