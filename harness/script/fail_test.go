package script_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"posthorn/harness/script"
)

// A script that has to fail shows its text here instead of failing the test.
type fakeT struct {
	failed bool
	log    strings.Builder
}

type failNow struct{}

func (f *fakeT) Skip(a ...any)  { f.Fatal(a...) }
func (f *fakeT) Fatal(a ...any) { f.Log(a...); f.FailNow() }
func (f *fakeT) Log(a ...any)   { fmt.Fprintln(&f.log, a...) }
func (f *fakeT) FailNow()       { f.failed = true; panic(failNow{}) }
func (*fakeT) Parallel()        {}
func (*fakeT) Verbose() bool    { return false }
func (f *fakeT) Run(_ string, run func(testscript.T)) {
	defer func() {
		if r := recover(); r != nil && r != (failNow{}) {
			panic(r)
		}
	}()
	run(f)
}

// fails runs a script that has to fail, and returns what it says.
func fails(t *testing.T, text string, p testscript.Params) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fails.txtar")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Files, p.Cmds = []string{file}, script.Commands()
	f := &fakeT{}
	f.Run("", func(ft testscript.T) { testscript.RunT(ft, p) })
	if !f.failed {
		t.Errorf("this script should have failed:\n%s%s", text, f.log.String())
	}
	return f.log.String()
}

func TestFailures(t *testing.T) {
	t.Parallel()
	const post = "receiver hook\nhttp -H 'webhook-id: m1' -d '{\"n\":1}' POST $hook_URL 204\n"
	cases := []struct{ name, script, want string }{
		{"no name", "receiver", "receiver: the first argument must be the receiver's name"},
		{"unknown name", "expect hook", `expect: there is no receiver "hook"; start it with: receiver hook`},
		{"twice", "receiver hook\nreceiver hook", `there is a receiver "hook" already`},
		{"unknown flag", "receiver hook -http3", "flag provided but not defined: -http3"},
		{"unknown answer", "receiver hook\nreply hook 99", `"99" is neither an HTTP status nor one of ["hang" "reset" "truncate" "drip" "endless"]`},
		{"bad secret", "receiver hook\nsecret hook whsec_*", "secret that begins with whsec_ refused"},
		{"no such secret", "receiver hook\nsecret hook -json f x.y\n-- f --\n{\"x\":{}}\n", `x.y: there is no "y" in {}`},
		{"nothing came", "receiver hook\nexpect hook -within 1ms", "0 of 1 matching deliveries came"},
		{"another came", post + "expect hook -within 1ms -body n.:2", `#1 POST / id "m1", not verified: {"n":1}`},
		{"too many came", post + "expect hook -exactly 0", "1 deliveries match, not exactly 0"},
		{"one came", post + "! expect hook -id m1", `1 deliveries match, the first is #1 POST / id "m1"`},
		{"not verified", post + "expect hook -verified", `not verified: #1 POST / id "m1"`},
		{"both counts", "receiver hook\nexpect hook -n 1 -exactly 1", "give either -n or -exactly"},
		{"lost", post + "account hook -expect ids\n-- ids --\nm1 m2\n", "lost: m2"},
		{"duplicate", post + "http -H 'webhook-id: m1' POST $hook_URL 204\naccount hook -no-duplicates", "duplicate: m1"},
		{"late", post + "http -H 'webhook-id: m0' POST $hook_URL 204\naccount hook -in-order -expect ids\n-- ids --\nm0 m1\n", "late: m0"},
		{"no order", "receiver hook\naccount hook -in-order", "-in-order needs -expect FILE"},
		{"no such certificate", "receiver hook -tls best", `TLS "best" refused`},
		{"no such id", "receiver hook -id email", `id "email" refused`},
		{"no such form", "receiver hook -secret s -hmac x", `HMAC "x" refused`},
		{"bad pattern", "receiver hook\nreply hook -for-body ( 200", "missing closing )"},
		{"most under way", "receiver hook\nunder-way hook -most 7", "0 requests have been under way at once, not 7"},
		{"under way", "receiver hook\nunder-way hook 7", "0 requests are under way, not 7"},
		{"idle too late", "receiver hook\nawait-idle hook -within 1ms 10s", "0 requests are under way"},
		{"bad", "receiver hook -secret whsec_b3RoZXI=\nhttp POST $hook_URL 204\naccount hook", "signature missing: there is no webhook-id"},
		{"status", "receiver hook\nhttp GET $hook_URL 200", "http: status 204, not 200"},
		{"json value", post + "json -f f a is 2\n-- f --\n{\"a\":1}\n", `a: 1 is not "2"`},
		{"json negated", "! json -f f a\n-- f --\n{\"a\":1}\n", `a is so in {"a":1}`},
		{"json none", "json -f f a\n-- f --\nx\n", `not JSON`},
		{"await-http", "receiver hook\nreply hook -keep -body '{}' 200\nawait-http -within 50ms GET $hook_URL a is b", "last answer: 200 {}"},
		{"negated", "! receiver hook", "receiver: ! is not supported"},
		{"engine ends", "engine start -- --refuse", "it ended before it wrote its address: exit status 73\nwhat it wrote:\nfake: refused"},
		{"engine runs", "! engine start -within 50ms", "it still runs after 50ms"},
		{"engine not ready", "engine start -within 500ms -- --never-ready", "engine is not ready: /readyz says 503"},
		{"engine stops badly", "engine start -- --stop-badly\nengine stop", "after SIGTERM: exit status 73"},
		{"engine absent", "engine kill", `engine "" does not run`},
		{"engine twice", "engine start\nengine start", `engine "" runs already`},
		{"engine not found", "env PATH=/\nengine start", "there is no posthorn on PATH"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := fails(t, c.script, testscript.Params{Setup: script.Setup})
			if !strings.Contains(got, c.want) {
				t.Errorf("it said\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestWithoutSetup(t *testing.T) {
	t.Parallel()
	if got := fails(t, "receiver hook", testscript.Params{}); !strings.Contains(got, "set testscript.Params.Setup to script.Setup") {
		t.Errorf("it said %s", got)
	}
}
