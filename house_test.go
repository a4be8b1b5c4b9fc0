package posthorn_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The rules of the house, which ARCHITECTURE.md gives the reasons for: who may import whom, what the core must not do, how
// large a file may be, what we depend on. They hold for whatever packages there are.

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	module  = "posthorn"
	maxFile = 400 // lines of a file that is shipped; a room that needs more is two rooms
)

// A listed is what `go list -json` says of a package of ours.
type listed struct {
	ImportPath   string   `json:"ImportPath"`
	Dir          string   `json:"Dir"`
	GoFiles      []string `json:"GoFiles"` // not the tests
	TestGoFiles  []string `json:"TestGoFiles"`
	XTestGoFiles []string `json:"XTestGoFiles"`
	Imports      []string `json:"Imports"` // of GoFiles
	Deps         []string `json:"Deps"`    // Imports, and theirs, and so on
}

// loadHouse lists our packages. It walks the tree too, so that go test's cache knows that a new file is a new house.
var loadHouse = sync.OnceValues(func() ([]listed, error) {
	if err := filepath.WalkDir(".", func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,Deps", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
})

func house(t *testing.T) []listed {
	t.Helper()
	all, err := loadHouse()
	if err != nil {
		t.Fatalf("list our packages: %v", err)
	}
	return all
}

// refuse fails the test in the three parts that every error text of ours has.
func refuse(t *testing.T, what, why, do string) {
	t.Helper()
	t.Errorf("%s\n\twhy: %s\n\tdo:  %s", what, why, do)
}

// name is the package's path inside the module, "." for the root.
func (p listed) name() string {
	if p.ImportPath == module {
		return "."
	}
	return strings.TrimPrefix(p.ImportPath, module+"/")
}

func ours(imported string) bool { return imported == module || strings.HasPrefix(imported, module+"/") }

// std: import paths of the standard library have no dot in their first element.
func std(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !ours(imported) && !strings.Contains(first, ".")
}

// An importRule says what the packages that match pattern may import.
type importRule struct {
	pattern string // path.Match over name
	ours    []string
	std     func(string) bool
	third   func(string) bool
	why     string
}

func anyOf(string) bool  { return true }
func noneOf(string) bool { return false }

// importRules: the first whose pattern matches a package holds for it; one that no pattern matches may import what it likes.
func importRules() []importRule {
	cbor := func(i string) bool { return i == "github.com/fxamacker/cbor/v2" }
	cel := func(i string) bool { return strings.HasPrefix(i, "github.com/google/cel-go/") }
	libraries := func(i string) bool {
		return i == "github.com/oklog/ulid/v2" || i == "golang.org/x/time/rate" || cbor(i)
	}
	driving := []string{"engine", "engine/backup", "engine/core", "ports"}
	return []importRule{
		{"engine/core", []string{"ports"}, pure, cbor, "the core decides from its inputs alone: no I/O, clock, randomness, context"},
		{"ports", nil, anyOf, noneOf, "ports are bytes, strings, times and plain structs, for adapters that know no domain"},
		{"ports/portstest", []string{"ports"}, anyOf, anyOf, "a suite judges any adapter, and so knows none"},
		{"engine/backup", []string{"ports"}, anyOf, cbor, "what is kept for bad days knows bytes alone, so that no change of the domain can break it"},
		{"engine", []string{"ports", "engine/core", "engine/filter", "engine/backup"}, anyOf, libraries, "the engine meets the world through ports only"},
		{"engine/filter", nil, anyOf, cel, "a filter is judged by its text and the message alone"},
		{"adapters/httpapi", driving, anyOf, anyOf, "adapters never import each other"},
		{"adapters/dashboard", driving, anyOf, anyOf, "adapters never import each other"},
		{"adapters/httpclient", driving, anyOf, anyOf, "adapters never import each other"},
		{"adapters/*", []string{"ports"}, anyOf, anyOf, "an adapter of a port knows the port, not the domain, and no other adapter"},
		{"harness", nil, anyOf, noneOf, "the harness is the outside world: a test never shares the code that it tests"},
		{"harness/*", []string{"harness"}, anyOf, anyOf, "the harness is the outside world: a test never shares the code that it tests"},
	}
}

// pure says whether a package of the standard library neither acts on the world nor asks it anything. What time and fmt
// offer beyond that is refused by TestCoreIsPure.
func pure(imported string) bool {
	return slices.Contains([]string{
		"bytes", "cmp", "crypto/hmac", "crypto/sha256", "crypto/subtle", "encoding", "encoding/base64", "encoding/binary",
		"encoding/hex", "encoding/json", "errors", "fmt", "hash", "hash/fnv", "iter", "maps", "math", "math/bits", "net/mail",
		"net/netip", "net/url", "reflect", "regexp", "slices", "sort", "strconv", "strings", "text/template", "time", "unicode",
		"unicode/utf8",
	}, imported)
}

func TestImports(t *testing.T) {
	t.Parallel()
	rules := importRules()
	for _, p := range house(t) {
		at := slices.IndexFunc(rules, func(r importRule) bool { ok, _ := path.Match(r.pattern, p.name()); return ok })
		if at < 0 {
			continue
		}
		for _, i := range p.Imports {
			if !rules[at].allows(i) {
				refuse(t, p.ImportPath+" imports "+i, rules[at].why, "move what needs it to the room that may, or change the plan in ARCHITECTURE.md and then this rule")
			}
		}
	}
}

func (r importRule) allows(imported string) bool {
	switch {
	case ours(imported):
		return slices.Contains(r.ours, strings.TrimPrefix(imported, module+"/"))
	case std(imported):
		return r.std(imported)
	default:
		return r.third(imported)
	}
}

// TestRootIsLight: who embeds the engine does not link what only the binary needs.
func TestRootIsLight(t *testing.T) {
	t.Parallel()
	heavy := map[string]string{
		"github.com/alecthomas":                    "a command line parser",
		"github.com/spf13":                         "a command line parser",
		"github.com/danielgtaylor/huma/v2":         "a web framework",
		"github.com/IBM/sarama":                    "a broker's client",
		"github.com/twmb/franz-go":                 "a broker's client",
		"github.com/aws":                           "a broker's client",
		"github.com/nats-io":                       "a broker's client",
		"github.com/ThreeDotsLabs/watermill-kafka": "a broker's transport",
		"github.com/ThreeDotsLabs/watermill-aws":   "a broker's transport",
		"github.com/ThreeDotsLabs/watermill-nats":  "a broker's transport",
		module + "/cmd":                            "the binary",
		module + "/adapters/httpapi":               "the driving side",
		module + "/adapters/dashboard":             "the driving side",
		module + "/adapters/httpclient":            "the driving side",
		module + "/harness":                        "the test harness",
		"testing":                                  "which adds its flags to the embedder's",
	}
	for _, p := range house(t) {
		if p.ImportPath != module {
			continue
		}
		for _, dep := range p.Deps {
			for prefix, what := range heavy {
				if dep == prefix || strings.HasPrefix(dep, prefix+"/") {
					refuse(t, "package posthorn links "+dep+", "+what, "an embedder pays for what is linked", "see `go mod why "+dep+"`, and import it in cmd/posthorn instead")
				}
			}
		}
	}
}

// TestNoTestingShipped: what programs link does not import testing. Suites for tests are exempt, and nobody else imports them.
func TestNoTestingShipped(t *testing.T) {
	t.Parallel()
	suites := []string{"ports/portstest", "engine/enginetest", "harness/script"}
	for _, p := range house(t) {
		if slices.Contains(suites, p.name()) {
			continue
		}
		for _, i := range p.Imports {
			if i == "testing" || strings.HasPrefix(i, "testing/") || slices.Contains(suites, strings.TrimPrefix(i, module+"/")) {
				refuse(t, p.ImportPath+" imports "+i, "package testing adds its flags to every program that links it", "take a small interface, as harness.TB is, or move it to a _test.go file")
			}
		}
	}
}

// parsed yields every file of a package with its path in the repository. The files are read, which go test's cache notes.
func parsed(t *testing.T, p listed, files []string, each func(name string, fset *token.FileSet, f *ast.File)) {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("parse: %v", err)
			continue
		}
		name, err := filepath.Rel(root, filepath.Join(p.Dir, file))
		if err != nil {
			t.Fatal(err)
		}
		each(filepath.ToSlash(name), fset, f)
	}
}

// TestFiles: no init, and no file above maxFile lines.
func TestFiles(t *testing.T) {
	t.Parallel()
	for _, p := range house(t) {
		parsed(t, p, p.GoFiles, func(name string, fset *token.FileSet, f *ast.File) {
			if lines := fset.File(f.FileStart).LineCount(); lines > maxFile {
				refuse(t, name+" is too long", "a file has one job and at most 400 lines", "find the second job, and give it a file of its own")
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					refuse(t, name+" has an init function", "what runs at import cannot be ordered, tested or left out", "call it from the constructor that needs it")
				}
			}
		})
	}
}

// TestCoreIsPure: what the import list cannot refuse.
func TestCoreIsPure(t *testing.T) {
	t.Parallel()
	for _, p := range house(t) {
		if p.name() != "engine/core" {
			continue
		}
		parsed(t, p, p.GoFiles, func(name string, fset *token.FileSet, f *ast.File) {
			for _, u := range uses(f, impure) {
				refuse(t, fmt.Sprintf("%s:%d: core uses %s", name, fset.Position(u.pos).Line, u.what), "the core decides from its inputs alone, or the log could not be folded again", "take it as an input (now, jitter, ids), and let the engine act")
			}
		})
	}
}

// impure names what core must not take from the packages that it may import.
func impure(imported, symbol string) bool {
	forbidden := map[string][]string{
		"time": {"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "NewTimer", "NewTicker", "Tick", "Timer", "Ticker", "Local", "LoadLocation"},
		"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
		// The values of ports are the core's words too; what acts is not for it.
		"posthorn/ports": {"Store", "Reader", "Bus", "Handler", "Caller"},
	}
	return slices.Contains(forbidden[imported], symbol)
}

type use struct {
	what string
	pos  token.Pos
}

// uses finds go statements, channels, and the symbols of imported packages that bad refuses.
func uses(f *ast.File, bad func(imported, symbol string) bool) []use {
	imported := map[string]string{}
	for _, i := range f.Imports {
		name := strings.Trim(i.Path.Value, `"`)
		local := path.Base(name)
		if i.Name != nil {
			local = i.Name.Name
		}
		imported[local] = name
	}
	var found []use
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, use{"a goroutine", n.Pos()})
		case *ast.ChanType:
			found = append(found, use{"a channel", n.Pos()})
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && bad(imported[x.Name], n.Sel.Name) {
				found = append(found, use{x.Name + "." + n.Sel.Name, n.Pos()})
			}
		}
		return true
	})
	return found
}

// TestNoSleepingTests: a test waits on a signal. In the fake time of testing/synctest a sleep is one.
func TestNoSleepingTests(t *testing.T) {
	t.Parallel()
	for _, p := range house(t) {
		parsed(t, p, slices.Concat(p.TestGoFiles, p.XTestGoFiles), func(name string, fset *token.FileSet, f *ast.File) {
			if slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing/synctest"` }) {
				return
			}
			for _, u := range uses(f, func(imported, symbol string) bool { return imported == "time" && symbol == "Sleep" }) {
				if u.what == "time.Sleep" {
					refuse(t, fmt.Sprintf("%s:%d sleeps", name, fset.Position(u.pos).Line), "a sleeping test is slow on one machine and flaky on another", "wait on a channel or a condition, or run it under testing/synctest")
				}
			}
		})
	}
}

// TestDependencies: a new direct dependency is a decision, seen in review as a line of the golden list.
func TestDependencies(t *testing.T) {
	t.Parallel()
	if _, err := os.ReadFile("go.mod"); err != nil { // read, for go test's cache
		t.Fatal(err)
	}
	out, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatalf("read go.mod: %v", err)
	}
	var mod struct {
		Require []struct {
			Path     string `json:"Path"`
			Indirect bool   `json:"Indirect"`
		} `json:"Require"`
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatalf("decode go.mod: %v", err)
	}
	var direct []string
	for _, r := range mod.Require {
		if !r.Indirect {
			direct = append(direct, r.Path+"\n")
		}
	}
	slices.Sort(direct)
	got := strings.Join(direct, "")
	golden := filepath.Join("testdata", "house", "dependencies.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		refuse(t, "the direct dependencies of go.mod are not those of "+golden+" (-golden +go.mod):\n"+diff, "every dependency is a decision with its reason in ARCHITECTURE.md", "write the reason there, then run `go test -run TestDependencies -update .`")
	}
}
