package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// print writes v as one line of JSON, or lets text write aligned columns.
func (p *program) print(asJSON bool, v any, text func(table)) error {
	if asJSON {
		encoder := json.NewEncoder(p.stdout)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(v)
	}
	w := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
	text(table{w})
	return w.Flush()
}

// A table writes aligned columns. Its errors show when it is flushed.
type table struct{ w *tabwriter.Writer }

// row writes one line of cells; an empty one becomes a dash, so that columns can be cut by position.
func (t table) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		if texts[i] = cellText(cell); texts[i] == "" {
			texts[i] = "-"
		}
	}
	fmt.Fprintln(t.w, strings.Join(texts, "\t"))
}

// field writes a name and its value, and nothing for an empty value.
func (t table) field(name string, value any) {
	if text := cellText(value); text != "" {
		fmt.Fprintf(t.w, "%s\t%s\n", name, text)
	}
}

func (t table) line(format string, args ...any) { fmt.Fprintf(t.w, format+"\n", args...) }

func cellText(value any) string {
	switch v := value.(type) {
	case time.Time:
		return stamp(v)
	case *time.Time:
		if v == nil {
			return ""
		}
		return stamp(*v)
	default:
		return printable(fmt.Sprint(v))
	}
}

// stamp is a time in UTC with milliseconds, as the history has it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// printable takes out what could move a terminal's cursor or break a column: texts come from receivers and clients.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// oneLine joins the lines of an error: one error is one line on stderr.
func oneLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	for i, line := range lines {
		lines[i] = strings.TrimSpace(printable(line))
	}
	return strings.Join(lines, "; ")
}

func indent(by, text string) string {
	return by + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+by)
}
