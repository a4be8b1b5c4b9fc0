package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"posthorn/ports"
)

// TestGolden runs testdata/*.txtar. A file is a story: an optional section "given", then pairs of "when" and "then". A line of
// "given" or "when" is a command with its input as JSON, or an event that is folded as it is. "then" is what came of the lines of
// "when": the answer or the refusal, the events, the vault items, and the changed rows. -update writes it anew.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			story, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := string(txtar.Format(story))
			got := tell(t, story)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := diffLines(want, got); diff != "" {
				t.Errorf("%s differs (-golden +got); if it should, run go test -update and review the diff:\n%s", file, diff)
			}
		})
	}
}

// tell runs a story and returns it with every "then" as it came out.
func tell(t *testing.T, story *txtar.Archive) string {
	t.Helper()
	w := newWorld(t)
	out := txtar.Archive{Comment: story.Comment}
	for _, f := range story.Files {
		switch f.Name {
		case "given":
			w.given(string(f.Data))
			out.Files = append(out.Files, f)
		case "when":
			then := w.script(string(f.Data))
			out.Files = append(out.Files, f, txtar.File{Name: "then", Data: []byte(then)})
		case "then":
		default:
			t.Fatalf("section %q is unknown; a story has given, when and then", f.Name)
		}
	}
	return string(txtar.Format(&out))
}

// given runs lines as one batch, whose answers do not matter; a refusal fails the test.
func (w *world) given(lines string) {
	w.t.Helper()
	w.batching = true
	came := w.script(lines)
	if strings.Contains("\n"+came, "\nrefused:") || strings.Contains("\n"+came, "\ninvalid ") {
		w.t.Fatalf("what is given is refused:\n%s", came)
	}
	w.batching = false
	w.flush()
}

// script runs lines, each as a batch of its own, and returns what came of them.
func (w *world) script(lines string) string {
	w.t.Helper()
	var out []string
	for line := range strings.Lines(lines) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, w.line(line)...)
		}
	}
	return strings.Join(shorten(out), "\n") + "\n"
}

func (w *world) line(line string) []string {
	w.t.Helper()
	verb, input, _ := strings.Cut(line, " ")
	switch verb {
	case "wait":
		d, err := time.ParseDuration(input)
		if err != nil {
			w.t.Fatalf("%s: %v", line, err)
		}
		w.now = w.now.Add(d)
		return nil
	case "repeat":
		count, rest, _ := strings.Cut(input, " ")
		n, err := strconv.Atoi(count)
		if err != nil {
			w.t.Fatalf("%s: %v", line, err)
		}
		var out []string
		for range n {
			out = append(out, w.line(rest)...)
		}
		return out
	}
	w.now = w.now.Add(time.Second)
	d, answer, err := w.command(verb, []byte(input))
	if err != nil {
		return refusal(err)
	}
	return w.came(d, answer)
}

// command decides by verb; the name of an event is the decision to tell it.
func (w *world) command(verb string, input []byte) (Decision, any, error) {
	w.t.Helper()
	if decide, ok := verbs()[verb]; ok {
		return decide(w, input)
	}
	for goType, k := range w.codec.byType {
		if k.name != verb {
			continue
		}
		event := reflect.New(goType)
		if err := json.Unmarshal(input, event.Interface()); err != nil {
			w.t.Fatalf("%s %s: %v", verb, input, err)
		}
		return Decision{Events: []Event{event.Elem().Interface().(Event)}}, nil, nil
	}
	w.t.Fatalf("%s is neither a command nor an event", verb)
	return Decision{}, nil, nil
}

func refusal(err error) []string {
	var invalid *InvalidError
	if !errors.As(err, &invalid) {
		return []string{"refused: " + err.Error()}
	}
	out := make([]string, 0, len(invalid.Problems))
	for _, p := range invalid.Problems {
		out = append(out, "invalid "+p.Field+": "+p.Text)
	}
	return out
}

// came writes what a decision leads to.
func (w *world) came(d Decision, answer any) []string {
	w.t.Helper()
	var out []string
	if answer != nil {
		out = append(out, "answer "+w.json(answer))
	}
	for _, r := range w.record(d) {
		out = append(out, fmt.Sprintf("event %d %s %s", r.Seq, w.codec.TypeName(r.Event), w.json(r.Event)))
	}
	for _, item := range d.Vault {
		data, err := OpenVaultItem(item.Value, "")
		if err != nil {
			w.t.Fatalf("%v", err)
		}
		out = append(out, fmt.Sprintf("vault %s %s", showKey(string(item.Key)), data))
	}
	for _, k := range d.Forget {
		out = append(out, "forget "+showKey(string(k)))
	}
	if w.batching {
		return out
	}
	puts, deletes := w.flush()
	for _, p := range puts {
		out = append(out, fmt.Sprintf("put %s %s", showKey(string(p.Key)), w.showValue(p)))
	}
	for _, k := range deletes {
		out = append(out, "delete "+showKey(string(k)))
	}
	if len(out) == 0 {
		return []string{"nothing"}
	}
	return out
}

// showValue writes a row; of an ordered due row, when the next attempt may begin.
func (w *world) showValue(p ports.Pair) string {
	if isDue(p.Key) {
		if due := w.parseDue(p.Key, p.Value); due.Ordered() {
			return fmt.Sprintf("%s|%s|%s", due.Company, due.Call, FormatTime(due.At))
		}
	}
	return readable(p.Value)
}

func (w *world) json(value any) string {
	w.t.Helper()
	out, err := json.Marshal(value)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return string(out)
}

// shorten cuts runs of lines of one kind, and very long lines.
func shorten(lines []string) []string {
	var out []string
	for i := 0; i < len(lines); {
		end := i + 1
		for end < len(lines) && lineKind(lines[end]) == lineKind(lines[i]) {
			end++
		}
		run := lines[i:end]
		if len(run) > 8 {
			run = []string{run[0], run[1], fmt.Sprintf("... %d more like these", len(run)-3), run[len(run)-1]}
		}
		for _, line := range run {
			if len(line) > 900 {
				line = fmt.Sprintf("%s ... %d bytes ... %s", line[:600], len(line)-800, line[len(line)-200:])
			}
			out = append(out, line)
		}
		i = end
	}
	return out
}

// lineKind is a line's kind: "event CallRequested", "put r|call".
func lineKind(line string) string {
	f := strings.Fields(line)
	switch {
	case len(f) > 2 && f[0] == "event":
		return f[0] + f[2]
	case len(f) > 1:
		parts := strings.SplitN(f[1], "|", 3)
		return f[0] + strings.Join(parts[:min(2, len(parts))], "|")
	}
	return line
}
