package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"posthorn/harness/load"
)

// A loadProgress shows how a run stands: on a terminal in one line that is written over, elsewhere in lines, a few a minute.
type loadProgress struct {
	w        io.Writer
	terminal bool
	phase    load.Phase
	told     time.Duration // of the run, when the last line was written
}

func newLoadProgress(w io.Writer) *loadProgress {
	f, ok := w.(*os.File)
	if !ok {
		return &loadProgress{w: w}
	}
	info, err := f.Stat()
	return &loadProgress{w: w, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// lineEvery is how often a line is written where it cannot be written over.
const lineEvery = 5 * time.Second

// show is called about once a second. A write that fails is no reason to end a run.
func (l *loadProgress) show(p load.Progress) {
	changed := p.Phase != l.phase
	l.phase = p.Phase
	switch {
	case l.terminal:
		_, _ = fmt.Fprintf(l.w, "\r\x1b[K\x1b[?7l%s\x1b[?7h", progressLine(p)) // not wrapped: a second row would stay
	case changed || p.Since-l.told >= lineEvery:
		l.told = p.Since
		_, _ = fmt.Fprintln(l.w, progressLine(p))
	}
}

// end leaves the line as it is.
func (l *loadProgress) end() {
	if l.terminal && l.phase != "" {
		_, _ = fmt.Fprintln(l.w)
	}
}

func progressLine(p load.Progress) string {
	if p.Phase == load.Registering {
		return "register: receivers listen, webhooks are being made"
	}
	line := fmt.Sprintf("%s %v: %.0f/s, %d accepted, %d arrived, %d in flight, %d failed, p50 %v, p99 %v", p.Phase, p.Since.Round(time.Second),
		p.PerSecond, p.Accepted, p.Arrived, p.InFlight, p.Failed, p.P50.Round(10*time.Microsecond), p.P99.Round(10*time.Microsecond))
	switch {
	case p.Left > 0 && p.Phase == load.Draining:
		line += fmt.Sprintf(", gives up in %v if nothing more comes", p.Left.Round(time.Second))
	case p.Left > 0:
		line += fmt.Sprintf(", at most %v left", p.Left.Round(time.Second))
	}
	return line
}
