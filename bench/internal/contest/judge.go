package contest

import (
	"fmt"
	"time"

	"posthorn/bench/internal/verdict"
)

// lateGenerator is what the generator itself may be late, from due to sent, before a time that counts from due says nothing of the
// contender: half of the slack that is judged with.
const lateGenerator = isolationSlack / 2

// excused turns a failure into a void where the generator was late by itself: not for want of a connection that the contender had answered,
// which is when the answers take as long as all connections last at that rate.
func excused(v verdict.Verdict, t times, rate float64, conns int) verdict.Verdict {
	answers := t.accepted.P99 - t.sent.P99
	if v.Word == verdict.Fail && t.sent.P99 >= lateGenerator && answers.Seconds()*rate < float64(conns) {
		v.Word = verdict.Void
		v.Text += fmt.Sprintf("; the generator was late, p99 %s", inMs(t.sent.P99))
	}
	return v
}

// inMiB is a number of bytes, as in "84 MiB".
func inMiB(bytes int64) string { return fmt.Sprintf("%.0f MiB", float64(bytes)/(1<<20)) }

func inMs(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }
