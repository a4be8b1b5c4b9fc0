// Package report shows the result of a load run: as a page to read and to print, as text for a terminal, as JUnit XML for a build
// server, and as JSON.
//
// The page is one file: its styles and charts (SVG) stand inside, it has no script, and a policy in it forbids the browser to load
// anything. Read next: charts.go for what is drawn.
package report

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"time"

	"posthorn/harness/load"
)

//go:embed page.html
var files embed.FS

// HTML writes the page.
func HTML(w io.Writer, r *load.Result) error {
	page, err := template.New("page.html").Funcs(template.FuncMap{
		"ms": ms, "count": grouped, "rate": func(f float64) string { return grouped(int(f + 0.5)) },
		"seconds": func(s float64) string { return strconv.FormatFloat(s, 'g', 6, 64) },
	}).ParseFS(files, "page.html")
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	if err := page.Execute(w, view(r)); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// JSON writes the result as one indented document.
func JSON(w io.Writer, r *load.Result) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// A page is what the template needs.
type page struct {
	*load.Result

	Charts    []chart
	Latencies []latency
	Named     []named
}

type latency struct {
	Name string
	load.Latency
}

// named is a list of ids with what they have in common.
type named struct {
	Name string
	load.Named
	Open bool
}

func view(r *load.Result) page {
	p := page{
		Result: r, Charts: charts(r),
		Latencies: []latency{{"accept", r.Accept}, {"arrival", r.Arrival}, {"generator: due to sent", r.Generator.Late}},
	}
	p.Named = lists(r)
	return p
}

// lists are the ids that are worth naming.
func lists(r *load.Result) (all []named) {
	add := func(name string, n load.Named, open bool) {
		if n.Count > 0 {
			all = append(all, named{name, n, open})
		}
	}
	add("lost", r.Lost, true)
	add("bad signature", r.Bad, true)
	add("duplicated", r.Duplicated, true)
	add("not ended as the receiver let them", r.Unfinished, true)
	add("strange", r.Strange, false)
	add("refused or unanswered", r.Refused, false)
	if r.History != nil {
		add("in the sender's history with another end", r.History.Wrong, true)
		add("not in the sender's history", r.History.Missing, true)
	}
	return all
}

// ms is a time for a person: milliseconds, to three digits or so.
func ms(d time.Duration) string {
	v := float64(d) / float64(time.Millisecond)
	switch {
	case v >= 100:
		return grouped(int(v + 0.5))
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

// grouped writes thousands apart.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
