package contest

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// A verdict is what was promised, what was seen, and whether it held.
type verdict struct {
	word string // pass, fail or void
	text string
}

const (
	pass = "PASS"
	fail = "FAIL"
	void = "VOID" // the machine itself was not fit for it, so it says nothing of the contender
)

// judged is pass for what holds.
func judged(holds bool) string {
	if holds {
		return pass
	}
	return fail
}

// lateGenerator is what the generator itself may be late, from due to sent, before a time that counts from due says nothing of the
// contender: half of the slack that is judged with.
const lateGenerator = isolationSlack / 2

// excused turns fail into void where the generator was late by itself: not for want of a connection that the contender had answered,
// which is when the answers take as long as all connections last at that rate.
func excused(v verdict, t times, rate float64, conns int) verdict {
	answers := t.accepted.P99 - t.sent.P99
	if v.word == fail && t.sent.P99 >= lateGenerator && answers.Seconds()*rate < float64(conns) {
		v.word = void
		v.text += fmt.Sprintf("; the generator was late, p99 %s", inMs(t.sent.P99))
	}
	return v
}

// report prints the verdicts to out. It returns an error unless all are pass.
func report(out io.Writer, verdicts []verdict) error {
	var text strings.Builder
	count := map[string]int{}
	for _, v := range verdicts {
		count[v.word]++
		fmt.Fprintf(&text, "%s  %s\n", v.word, v.text)
	}
	if _, err := io.WriteString(out, text.String()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	switch {
	case count[void] > 0:
		return fmt.Errorf("VOID: %d of %d judgements (%d FAIL): something else has the processors or the disk; end it, and run again",
			count[void], len(verdicts), count[fail])
	case count[fail] > 0:
		return fmt.Errorf("FAIL: %d of %d judgements", count[fail], len(verdicts))
	}
	return nil
}

// inMiB is a number of bytes, as in "84 MiB".
func inMiB(bytes int64) string { return fmt.Sprintf("%.0f MiB", float64(bytes)/(1<<20)) }

func inMs(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }
