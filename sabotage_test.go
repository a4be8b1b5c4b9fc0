package posthorn_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// A promise that no test would miss is none. Each file of testdata/sabotage breaks one: it names the test that must fail then, and
// holds pairs of old and new text for the sources, laid over them by the go command's -overlay. `make test/sabotage` carries
// them out; every other run only sees that they would still fit, and that ARCHITECTURE.md's table names them.

var sabotaged = flag.Bool("sabotage", false, "carry out the sabotages: slow, each builds what it breaks")

// A sabotage is one of those files.
type sabotage struct {
	name, pkg, test string
	edits           []edit
}

// An edit replaces the one place of a file where old stands.
type edit struct{ file, old, new string }

func sabotages(t *testing.T) (all []sabotage) {
	t.Helper()
	files, err := filepath.Glob("testdata/sabotage/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sabotages: %v", err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := sabotage{name: strings.TrimSuffix(filepath.Base(file), ".txtar"), pkg: field(a, "package"), test: field(a, "test")}
		if len(a.Files)%2 != 0 || len(a.Files) == 0 || s.pkg == "" || s.test == "" {
			t.Fatalf("%s: needs lines `package: ` and `test: `, and pairs of sections `FILE old` and `FILE new`", file)
		}
		for i := 0; i < len(a.Files); i += 2 {
			s.edits = append(s.edits, edit{strings.TrimSuffix(a.Files[i].Name, " old"), string(a.Files[i].Data), string(a.Files[i+1].Data)})
		}
		all = append(all, s)
	}
	return all
}

// field returns what follows "name: " in the text before the sections.
func field(a *txtar.Archive, name string) string {
	for line := range strings.Lines(string(a.Comment)) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// broken returns the sources with the edits made, by file.
func (s sabotage) broken(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, e := range s.edits {
		text, ok := texts[e.file]
		if !ok {
			source, err := os.ReadFile(e.file)
			if err != nil {
				t.Fatal(err)
			}
			text = string(source)
		}
		if n := strings.Count(text, e.old); n != 1 {
			t.Fatalf("%s: the old text stands there %d times; write down the one place as it is now:\n%s", e.file, n, e.old)
		}
		texts[e.file] = strings.Replace(text, e.old, e.new, 1)
	}
	return texts
}

// TestSabotages sees that each sabotage fits the sources as they are, and with -sabotage that its test catches it.
func TestSabotages(t *testing.T) {
	t.Parallel()
	for _, s := range sabotages(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			broken := s.broken(t)
			if *sabotaged {
				s.mustFail(t, overlay(t, broken))
			}
		})
	}
}

// overlay writes the texts down, and returns the name of the file that lays them over the sources.
func overlay(t *testing.T, broken map[string]string) string {
	t.Helper()
	dir, replace := t.TempDir(), map[string]string{}
	for file, text := range broken {
		source, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		replace[source] = filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(replace[source], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listed, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, listed, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// mustFail runs the test over the broken sources. The overlay is in GOFLAGS, so that a test that builds the binary builds the broken one.
func (s sabotage) mustFail(t *testing.T, overlay string) {
	t.Helper()
	// What is built here runs once, so most of its time would go into vet, the optimiser and what debuggers read.
	run := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-timeout=5m", "-vet=off", "-gcflags=-N -l -dwarf=false", "-run="+anchored(s.test), s.pkg)
	run.Env = append(os.Environ(), "GOFLAGS=-overlay="+overlay)
	out, err := run.CombinedOutput()
	said := string(out)
	failed := strings.Contains(said, "--- FAIL: "+strings.Split(s.test, "/")[0])
	panicked := strings.Contains(said, "panic: ") && !strings.Contains(said, "test timed out") // of a goroutine that is not the test's own
	switch {
	case err == nil:
		t.Errorf("%s %s passes although the promise is broken:\n%s", s.pkg, s.test, out)
	case !failed && !panicked:
		t.Errorf("%s %s did not fail by itself, it could not be run: %v\n%s", s.pkg, s.test, err, out)
	default:
		t.Logf("caught by %s %s", s.pkg, s.test)
	}
}

// anchored makes a name of a test, and of its subtests, match only itself.
func anchored(test string) string {
	parts := strings.Split(test, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// TestPromiseTable holds ARCHITECTURE.md's table and the sabotages together: each promise names its tests and the sabotages that they catch.
func TestPromiseTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n| promise |")
	table, _, _ = strings.Cut(table, "\n\n")
	known := map[string]string{}
	for _, s := range sabotages(t) {
		known[s.name] = strings.Split(s.test, "/")[0]
	}
	named := map[string]bool{}
	for _, row := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		caught := 0
		for _, quoted := range regexp.MustCompile("`[a-z0-9-]+`").FindAllString(cells[len(cells)-1], -1) {
			name := strings.Trim(quoted, "`")
			test, ok := known[name]
			if !ok {
				t.Errorf("promise %q names the sabotage %s, which testdata/sabotage has not", cells[0], name)
				continue
			}
			if !strings.Contains(cells[1], test) {
				t.Errorf("promise %q names the sabotage %s, but not its test %s", cells[0], name, test)
			}
			named[name] = true
			caught++
		}
		if caught == 0 {
			t.Errorf("promise %q has no sabotage: nothing shows that its tests can fail", cells[0])
		}
	}
	for name := range known {
		if !named[name] {
			t.Errorf("sabotage %s breaks no promise of the table", name)
		}
	}
}
