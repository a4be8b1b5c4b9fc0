package soak

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/contest"
	"posthorn/bench/internal/inside"
	"posthorn/bench/internal/stats"
)

// A sample is what the engine holds at a moment, or on average over some.
type sample struct {
	at                  time.Duration
	goroutines          float64
	files               float64 // without the store's tables, which grow with what is stored
	tables              float64
	resident, anonymous float64 // bytes
	disk                float64 // bytes
	calls               float64 // made by then
	kills               int
}

// look takes a sample of a server.
func look(ctx context.Context, s *contest.Server, dir string) (out sample, err error) {
	var goroutines int
	if err := s.Ask(ctx, http.MethodGet, inside.GoroutinesPath, "", nil, &goroutines); err != nil {
		return out, err
	}
	memory, err := child.MemoryOf(s.PID)
	if err != nil {
		return out, err
	}
	files, err := child.FilesOf(s.PID)
	if err != nil {
		return out, err
	}
	disk, err := contest.SizeOf(dir)
	return sample{
		goroutines: float64(goroutines), files: float64(files.Others), tables: float64(files.Tables),
		resident: float64(memory.Now), anonymous: float64(memory.Anonymous), disk: float64(disk),
	}, err
}

// A column is a number of a sample that is printed, and may be judged by its growth.
type column struct {
	name string
	of   func(sample) float64
	unit float64 // that it is printed in
	most float64 // growth from the third quarter to the last; 0 for a column that is only told
}

// soakGrowth is what counts as near zero: what a steady load varies by, from one quarter of the time to the next. Memory varies more, for
// the store's merging takes and gives back what it builds tables in.
const (
	soakGrowth       = 0.1
	soakGrowthMemory = 0.25
)

func columns() []column {
	const mib = 1 << 20
	return []column{
		{"goroutines", func(s sample) float64 { return s.goroutines }, 1, soakGrowth},
		{"files", func(s sample) float64 { return s.files }, 1, soakGrowth},
		{"tables", func(s sample) float64 { return s.tables }, 1, 0},
		{"anonymous MiB", func(s sample) float64 { return s.anonymous }, mib, soakGrowthMemory},
		{"resident MiB", func(s sample) float64 { return s.resident }, mib, 0},
		{"disk MiB", func(s sample) float64 { return s.disk }, mib, 0},
		{"calls", func(s sample) float64 { return s.calls }, 1, 0},
		{"bytes a call", func(s sample) float64 { return s.disk / max(1, s.calls) }, 1, soakGrowth},
		{"kills", func(s sample) float64 { return float64(s.kills) }, 1, 0},
	}
}

func head(out io.Writer) error { return row(out, "time", func(c column) string { return c.name }) }

func (s sample) write(out io.Writer) error {
	return row(out, s.at.Round(time.Second).String(), func(c column) string { return fmt.Sprintf("%.0f", c.of(s)/c.unit) })
}

func row(out io.Writer, first string, cell func(column) string) error {
	var line strings.Builder
	fmt.Fprintf(&line, "%8s", first)
	for _, c := range columns() {
		fmt.Fprintf(&line, "%*s", len(c.name)+2, cell(c))
	}
	if _, err := fmt.Fprintln(out, line.String()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// average is the mean of samples, of which there is at least one; what only grows is that of the last.
func average(all []sample) sample {
	last := all[len(all)-1]
	mean := func(of func(sample) float64) (sum float64) {
		for _, s := range all {
			sum += of(s) / float64(len(all))
		}
		return sum
	}
	last.goroutines = mean(func(s sample) float64 { return s.goroutines })
	last.files = mean(func(s sample) float64 { return s.files })
	last.resident = mean(func(s sample) float64 { return s.resident })
	last.anonymous = mean(func(s sample) float64 { return s.anonymous })
	return last
}

// growth is that of a column over all samples.
func growth(all []sample, c column) float64 {
	values := make([]float64, len(all))
	for i, s := range all {
		values[i] = c.of(s)
	}
	return stats.Growth(values)
}
