package posthorn_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOutside builds and runs the modules of testdata/outside, which use us as strangers do, and holds what they link: of other
// modules the paths, of ours the packages. They are run with a copy of go.mod, so that nothing is written beside them, and with
// our go.sum: they need no module that we have not. Only redis and outbox do, and have a go.sum with what ours lacks.
func TestOutside(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"embed", []string{"run"}, "came, signed\ncandidate.created succeeded 202\n"},
		{"receive", []string{"test"}, "ok"},
		{"ownstore", []string{"test"}, "ok"},
		{"outbox", []string{"test"}, "ok"},
		{"redis", []string{"test", "-count=1"}, "ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.name == "redis" {
				needsRedis(t)
			}
			o := newOutside(t, c.name)
			args := slices.Clone(c.args)
			if raced() { // so that what go test has built for us is not built once more
				args = append(args, "-race")
			}
			if got := o.run(t, append(args, ".")...); !strings.HasPrefix(got, c.want) {
				t.Errorf("it said %q, want %q", got, c.want)
			}
			o.holdDeps(t)
		})
	}
}

// An outside is a module of testdata/outside.
type outside struct{ name, dir, modfile string }

func newOutside(t *testing.T, name string) outside {
	t.Helper()
	o := outside{name, filepath.Join("testdata", "outside", name), filepath.Join(t.TempDir(), "go.mod")}
	// All is read, so that go test's cache knows when it changes.
	err := filepath.WalkDir(o.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			_, err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sums := read(t, "go.sum")
	if own, err := os.ReadFile(filepath.Join(o.dir, "go.sum")); err == nil {
		sums += string(own)
	}
	for to, text := range map[string]string{o.modfile: read(t, filepath.Join(o.dir, "go.mod")), strings.TrimSuffix(o.modfile, "mod") + "sum": sums} {
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// needsRedis skips where there is no server to test against. Not even building is done then: the module needs others that we do not
// have, and `make test` asks for no more than our go.mod does.
func needsRedis(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil || os.Getenv("POSTHORN_BROKERS") == "" {
		t.Skip("needs a real Redis: make test/transports")
	}
}

// run runs a go command in the module and returns what it printed.
func (o outside) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", slices.Insert(args, 1, "-mod=mod", "-modfile="+o.modfile)...)
	cmd.Dir = o.dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v in %s: %v\n%s%s", cmd.Args, o.dir, err, out, complaints.Bytes())
	}
	return string(out)
}

func (o outside) holdDeps(t *testing.T) {
	t.Helper()
	const form = `{{with .Module}}{{if not .Main}}{{.Path}} {{$.ImportPath}}{{end}}{{end}}`
	linked := map[string]bool{}
	for line := range strings.Lines(o.run(t, "list", "-deps", "-test", "-f", form, ".")) {
		words := strings.Fields(line)
		if words[0] == module {
			words = words[1:]
		}
		linked[words[0]+"\n"] = true
	}
	lines := make([]string, 0, len(linked))
	for line := range linked {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	got, golden := strings.Join(lines, ""), o.dir+".deps"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(read(t, golden), got); diff != "" {
		refuse(t, o.name+" links something else than "+golden+" (-golden +linked):\n"+diff, "who uses us links what we link", "see `go mod why`, or write the reason in ARCHITECTURE.md and run `go test -run TestOutside -update .`")
	}
}

// raced tells whether this test runs under the race detector.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
