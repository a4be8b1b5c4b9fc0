package script_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"posthorn/harness/script"
)

func TestMain(m *testing.M) {
	testscript.Main(checked{m}, map[string]func(){"posthorn": fakeEngine, "post": post})
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

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: script.Commands(), Setup: script.Setup})
}

// TestScriptsUseEveryVerb: what doc.go offers, each verb with each of its flags and words, is used against the real program by a script of
// testdata/script.
func TestScriptsUseEveryVerb(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	scripts := read(t, files...)
	verbs := map[string]bool{}
	for _, o := range offers(read(t, "doc.go")) {
		verbs[strings.Fields(o.verb)[0]] = true
		used := regexp.MustCompile(`(?m)^` + o.not + regexp.QuoteMeta(o.verb) + `( .*)?` + o.word + `( |$)`)
		if !used.MatchString(scripts) {
			t.Errorf("no script has %q", o.not+o.verb+" ..."+o.word)
		}
	}
	if want := script.Commands(); len(verbs) != len(want) {
		t.Errorf("doc.go tells of %d verbs, and there are %d", len(verbs), len(want))
	}
}

// An offer is a verb, with ! or not, and a flag or a word that it takes.
type offer struct{ not, verb, word string }

// offers reads the lines of usage: what stands after one tab, and what goes on with a bracket.
func offers(doc string) (all []offer) {
	usage := regexp.MustCompile(`(?m)^//\t(\[!\] )?((?:engine )?[a-z-]+) ?(.*\n(?://\t    \[.*\n)*)//\t    [^\[]`)
	word := regexp.MustCompile(`(?:^|[ \[])(-[a-z-]+)|\|([a-z]+)|\b(is|matches|length|as) [A-Z]`)
	for _, u := range usage.FindAllStringSubmatch(doc, -1) {
		all = append(all, offer{"", u[2], ""})
		if u[1] != "" {
			all = append(all, offer{"! ", u[2], ""})
		}
		for _, w := range word.FindAllStringSubmatch(u[3], -1) {
			all = append(all, offer{"", u[2], " " + w[1] + w[2] + w[3]})
		}
	}
	return all
}

// read is the text of the files, one after another.
func read(t *testing.T, files ...string) string {
	t.Helper()
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// fakeEngine stands in for "posthorn serve": it answers with what it was started with, posts what is sent to /send?to=URL, and
// behaves badly when told to.
func fakeEngine() {
	if err := serveFake(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "fake:", err)
		os.Exit(73)
	}
}

func serveFake(args []string) error {
	line := strings.Join(args, " ")
	if strings.Contains(line, "--refuse") {
		return fmt.Errorf("refused as asked, key %s", os.Getenv("POSTHORN_API_KEY"))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	polls := 0
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if polls++; polls < 3 || strings.Contains(line, "--never-ready") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/args", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"args":%q,"key":%q,"polls":%d}`, line, os.Getenv("POSTHORN_API_KEY"), polls)
		polls++
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Was", r.Header.Get("X-Is"))
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.Copy(w, r.Body)
	})
	fmt.Fprintf(os.Stderr, "level=info msg=\"listening on http://%s\"\n", l.Addr())
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(l) }()
	<-ctx.Done()
	if strings.Contains(line, "--stop-badly") {
		return fmt.Errorf("stopped badly as asked")
	}
	return server.Close()
}

// post sends one request to os.Args[1], waits at most os.Args[2], and prints the status.
func post() {
	if err := postOnce(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func postOnce(url, timeout string) error {
	bound, err := time.ParseDuration(timeout)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: bound}
	resp, err := client.Post(url, "text/plain", strings.NewReader("x"))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	const most = 1 << 20
	n, err := io.Copy(io.Discard, io.LimitReader(resp.Body, most))
	if n == most {
		fmt.Printf("%d cut at %d\n", resp.StatusCode, n)
		return nil
	}
	fmt.Println(resp.StatusCode)
	return err
}
