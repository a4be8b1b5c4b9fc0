package engine_test

import (
	"fmt"
	"strings"
	"time"
)

// The times of a list. Every step begins a whole number of cells after the one before; attempts fall into the hours after a step, and
// none into the moment of one: whatever a crash or a full lane delays by minutes, no command overtakes an attempt.
const (
	cell     = 5 * time.Hour
	begin    = 10 * time.Minute // steps stand at ten past, so that what is delayed by minutes stays within its hour
	lookAt   = 3*time.Hour + 30*time.Minute
	drainFor = 14 * cell
)

// waits are what a schedule is drawn from: the times between attempts with jitter. The short one stays in its hour; the others move by
// an hour against the cells, and there are at most two of them.
var waits = []time.Duration{time.Minute, 6 * time.Hour, 11 * time.Hour, 16 * time.Hour, 21 * time.Hour}

// A command is one call of the engine's API. Things are named by tags, for ids differ from run to run: w1 is a webhook, f1 one that is
// only sent its own messages, c1 a candidate, m1 and s1 are messages. A call is named by its message and its webhook.
type command struct {
	verb      string
	company   string
	tag       string // what is made or changed
	message   string // for retry and cancel: of webhook tag
	eventType string
	resource  string
	types     []string
	schedule  []time.Duration // as they are to become, jitter included
	seed      bool
	text      string // a job, a state, a place, the version of a URL
	bad       bool   // refused for its form
	key       string
	copies    int  // how often it is sent, with its key
	rush      bool // the next one of its batch follows at once, in every setting
}

func (c command) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s of %s", c.verb, c.name(), c.company)
	for _, part := range []struct {
		name  string
		value any
		given bool
	}{
		{"type", c.eventType, c.eventType != ""},
		{"resource", c.resource, c.resource != ""},
		{"types", c.types, c.types != nil},
		{"schedule", c.schedule, c.schedule != nil},
		{"seed", c.seed, c.seed},
		{"text", c.text, c.text != ""},
		{"bad", c.bad, c.bad},
		{"key", c.key, c.key != ""},
		{"rush", c.rush, c.rush},
	} {
		if part.given {
			fmt.Fprintf(&b, " %s=%v", part.name, part.value)
		}
	}
	if c.copies > 1 {
		fmt.Fprintf(&b, " x%d", c.copies)
	}
	return b.String()
}

func (c command) name() string {
	if c.message != "" {
		return c.message + "@" + c.tag
	}
	return c.tag
}

// A step is what happens at one time.
type step struct {
	number  int
	cells   int         // after the step before
	batches [][]command // the commands of a batch commute: they may be sent at once; the next batch begins when all is quiet
	late    *command    // sent a second later, while first attempts are under way
}

// A list is what one seed draws: the commands, and the jitter of all decisions.
type list struct {
	seed   uint64
	jitter float64
	steps  []step
}

func (l list) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "jitter %.1f\n", l.jitter)
	at := time.Duration(0)
	for _, s := range l.steps {
		at += time.Duration(s.cells) * cell
		fmt.Fprintf(&b, "step %d, %s after the start\n", s.number, at)
		for i, batch := range s.batches {
			for _, c := range batch {
				fmt.Fprintf(&b, "  %d: %s\n", i, c)
			}
		}
		if s.late != nil {
			fmt.Fprintf(&b, "  a second later: %s\n", s.late)
		}
	}
	return b.String()
}

// asked is the schedule to ask for, so that the waits become what they are to be.
func (l list) asked(schedule []time.Duration) []time.Duration {
	out := make([]time.Duration, len(schedule))
	for i, d := range schedule {
		out[i] = time.Duration(float64(d) / (1 + jitterShare*l.jitter))
	}
	return out
}

// jitterShare is the most that jitter adds to a wait, as docs and ARCHITECTURE.md say.
const jitterShare = 0.1
