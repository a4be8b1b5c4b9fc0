// Package verdict judges what the benchmark measured by what was promised. Read next: package contest.
package verdict

import (
	"fmt"
	"io"
	"strings"
)

// A Verdict is what was promised, what was seen, and whether it held.
type Verdict struct {
	Word string // Pass, Fail or Void
	Text string
}

// The words.
const (
	Pass = "PASS"
	Fail = "FAIL"
	Void = "VOID" // the machine itself was not fit for it, so it says nothing of the engine
)

// Of is Pass for what holds, and Fail for what does not; the rest is its text, as for fmt.Sprintf.
func Of(holds bool, format string, args ...any) Verdict {
	v := Verdict{Fail, fmt.Sprintf(format, args...)}
	if holds {
		v.Word = Pass
	}
	return v
}

// Report prints the verdicts to out. It returns an error unless all are Pass.
func Report(out io.Writer, verdicts []Verdict) error {
	var text strings.Builder
	count := map[string]int{}
	for _, v := range verdicts {
		count[v.Word]++
		fmt.Fprintf(&text, "%s  %s\n", v.Word, v.Text)
	}
	if _, err := io.WriteString(out, text.String()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	switch {
	case count[Void] > 0:
		return fmt.Errorf("VOID: %d of %d judgements (%d FAIL): something else has the processors or the disk; end it, and run again",
			count[Void], len(verdicts), count[Fail])
	case count[Fail] > 0:
		return fmt.Errorf("FAIL: %d of %d judgements", count[Fail], len(verdicts))
	}
	return nil
}
