package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"posthorn/harness/load"
	"posthorn/harness/script"
)

// TestLoadScripts puts programs that are not ours under load, by the same verbs as TestScripts, and
//
//	build NAME PACKAGE
//	    builds a program of testdata/load as $WORK/NAME.
//	named FILE KIND PROGRAM-OUTPUT
//	    fails unless the result FILE names under KIND (lost, duplicated, bad) the very ids that a sender said it treated so, and some.
func TestLoadScripts(t *testing.T) {
	t.Parallel()
	commands := script.Commands()
	commands["exits"], commands["await-file"], commands["build"], commands["named"] = exits, awaitFile, build, named
	testscript.Run(t, testscript.Params{
		Dir:  "../../testdata/load/script",
		Cmds: commands,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", os.Getenv("GORACE"))
			return script.Setup(env)
		},
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(scriptsEnd),
	})
}

// build runs outside the script's environment, which has neither a home nor a cache.
func build(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: build NAME PACKAGE")
	}
	out, err := exec.Command("go", "build", "-o", ts.MkAbs(args[0]), "../../testdata/load/"+args[1]).CombinedOutput()
	if err != nil {
		ts.Fatalf("build %s: %v: %s", args[1], err, out)
	}
}

func named(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: named FILE KIND PROGRAM-OUTPUT")
	}
	var want []string
	for line := range strings.Lines(ts.ReadFile(args[2])) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), args[1]+" "); ok {
			want = append(want, id)
		}
	}
	var kinds map[string]json.RawMessage
	var got load.Named
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &kinds))
	ts.Check(json.Unmarshal(kinds[args[1]], &got))
	slices.Sort(want)
	if len(want) == 0 || got.Count != len(want) || !slices.Equal(got.IDs, want) {
		ts.Fatalf("%s: the result names %d, %q, and the sender %q", args[1], got.Count, got.IDs, want)
	}
}

// TestLoadPage runs what docs/load.md shows, on ports that are free.
func TestLoadPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/load.md")
	if err != nil {
		t.Fatal(err)
	}
	wants := []string{
		`(?s)status=503:all +\d.*the sender's history: \d+ failed [\d,]+ succeeded.*ok +duplicated=0`,
		`delivered  100 of 100 expected`, `delivered  20 of 20 expected`, `delivered  200 of 200 expected`,
	}
	blocks := func(language string) [][][]byte {
		return regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllSubmatch(page, -1)
	}
	all, targets := blocks("sh"), blocks("yaml")
	if len(all) != len(wants) || len(targets) != 1 {
		t.Fatalf("the page has %d shell snippets, and this test knows of %d", len(all), len(wants))
	}
	bin := t.TempDir()
	for _, name := range []string{"sender", "cloudflared"} {
		if out, err := exec.Command("go", "build", "-o", bin+"/"+name, "../../testdata/load/"+name).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v: %s", name, err, out)
		}
	}
	for i, want := range wants {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			ports := map[string]string{}
			text := regexp.MustCompile(`(127\.0\.0\.1|localhost):\d+`).ReplaceAllStringFunc(string(all[i][1]), func(address string) string {
				host, port, _ := strings.Cut(address, ":")
				if ports[port] == "" {
					_, ports[port], _ = strings.Cut(freePort(t), ":")
				}
				return host + ":" + ports[port]
			})
			if i == 3 {
				text = "sender >told & trap 'kill $!' EXIT; until grep -q http told; do sleep 0.1; done\n" +
					"cat >target.yaml <<END\n" + string(targets[0][1]) + "END\n" +
					`sed -i "s,http://127.0.0.1:9100,$(sed -n 's/listening on //p' told)," target.yaml` + "\n" + text
			}
			out, err := shell(t, text, "PATH="+bin+":"+os.Getenv("PATH"), "SSL_CERT_FILE="+filepath.Join(t.TempDir(), "ca.pem"))
			if err != nil || !regexp.MustCompile(want).Match(out) || bytes.Contains(out, []byte("FAIL")) {
				t.Errorf("%s\nended with %v and said\n%s\nwant %s", text, err, out, want)
			}
		})
	}
}

// A terminal's line is written over, a file's is not; both tell the same.
func TestLoadProgress(t *testing.T) {
	t.Parallel()
	var plain bytes.Buffer
	l := newLoadProgress(&plain)
	told := []load.Progress{
		{Phase: load.Registering},
		{Phase: load.Triggering, Since: time.Second, Left: 2 * time.Second, PerSecond: 99.6, Accepted: 100, Arrived: 90, InFlight: 10, P50: 1500 * time.Microsecond},
		{Phase: load.Triggering, Since: 2 * time.Second, Accepted: 200},
		{Phase: load.Triggering, Since: 6 * time.Second, Accepted: 600},
		{Phase: load.Draining, Since: 7 * time.Second, Left: 30 * time.Second, Accepted: 600, Failed: 1},
	}
	for _, p := range told {
		l.show(p)
	}
	l.end()
	want := `register: receivers listen, webhooks are being made
trigger 1s: 100/s, 100 accepted, 90 arrived, 10 in flight, 0 failed, p50 1.5ms, p99 0s, at most 2s left
trigger 6s: 0/s, 600 accepted, 0 arrived, 0 in flight, 0 failed, p50 0s, p99 0s
drain 7s: 0/s, 600 accepted, 0 arrived, 0 in flight, 1 failed, p50 0s, p99 0s, gives up in 30s if nothing more comes
`
	if plain.String() != want {
		t.Errorf("got\n%swant\n%s", plain.String(), want)
	}
	var terminal bytes.Buffer
	over := &loadProgress{w: &terminal, terminal: true}
	for _, p := range told {
		over.show(p)
	}
	over.end()
	if n := strings.Count(terminal.String(), "\r\x1b[K"); n != len(told) || strings.Count(terminal.String(), "\n") != 1 {
		t.Errorf("%q", terminal.String())
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	if newLoadProgress(file).terminal || !newLoadProgress(null).terminal {
		t.Error("a file is a terminal, or a character device is none")
	}
	if err := errors.Join(null.Close(), file.Close()); err != nil {
		t.Error(err)
	}
}
