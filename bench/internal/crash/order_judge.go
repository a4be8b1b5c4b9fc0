package crash

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"posthorn/harness"
)

// A sequence is what came to a sequential webhook.
type sequence struct {
	hook
	calls, succeeded, failed int
	deliveries, recorded     int
	twins                    int // came once more after the next call had begun, which only a fleet may do
	overtaken                int
	account                  harness.Account
}

// messages holds what clients were told against what was requested, and that against what came.
func (v *verdict) messages() {
	o, calls := v.t.ordered, map[place]string{}
	for _, r := range v.t.requested {
		at := place{r.path, r.Message}
		if calls[at] != "" {
			v.fault(twice, "message %s has calls %s and %s at %s", r.Message, calls[at], r.Call, r.path)
		}
		calls[at] = r.Call
		if _, ok := v.t.told.keyed[r.Message]; !ok {
			v.fault(twice, "message %s of %s: no client was told of it, and each command was answered once", r.Message, r.Company)
		}
		if len(v.seen[at]) == 0 {
			v.fault(lost, "message %s never came to %s (call %s)", r.Message, r.path, r.Call)
		}
	}
	for message, n := range v.t.told.keyed {
		for _, h := range o.hooks {
			if h.company == o.company(n) && calls[place{h.path, message}] == "" {
				v.fault(lost, "message %s, number %d: it was accepted and has no call to %s", message, n, h.path)
			}
		}
	}
}

// A turn is a call in the order of its webhook.
type turn struct {
	request
	state string
	begun bool
	tries int       // without those that a kill held back
	over  time.Time // when the receiver had answered the one that ends it; zero before
}

// sequence holds the order in which calls came to a webhook against that of the log: none comes before all before it have ended, for the
// receiver, which has answered them by a 2xx or refused them as often as the schedule allows, and for the log.
func (v *verdict) sequence(h hook) {
	s := sequence{hook: h, account: v.t.accounts[h.path]}
	turns, places := v.turns(h.path, &s)
	open := 0 // the first turn that is not over
	for _, d := range v.t.deliveries {
		n, ok := places[d.message]
		if d.path != h.path || !ok {
			continue
		}
		s.deliveries++
		for open < n && turns[open].overBy(v.t, d.at) {
			open++
		}
		switch {
		case n > open && turns[n].begun: // has been told
		case n > open:
			s.overtaken++
			v.fault(overtaken, "webhook %s: call %s (seq %d) came at %s, before call %s (seq %d) had ended", h.path,
				turns[n].Call, turns[n].seq, d.at.Format(stampMicro), turns[open].Call, turns[open].seq)
		case n+1 < len(turns) && turns[n+1].begun:
			s.twins++
			if !v.t.fleet { // whose judge asks what explains it
				v.fault(overtaken, "webhook %s: call %s (seq %d) came again at %s, after call %s (seq %d) had come", h.path,
					turns[n].Call, turns[n].seq, d.at.Format(stampMicro), turns[n+1].Call, turns[n+1].seq)
			}
		}
		turns[n].meet(d, v.t)
	}
	if a := s.account; len(a.Lost) > 0 || len(a.Late) > 0 || a.Unexpected > 0 {
		v.fault(overtaken, "webhook %s, by the receiver's own account: %s", h.path, a)
	}
	v.rows = append(v.rows, s)
}

const stampMicro = "15:04:05.000000"

// turns are the calls of a path in the order of the log, and the place of each message among them.
func (v *verdict) turns(path string, s *sequence) (turns []turn, places map[string]int) {
	states := map[string]string{}
	for _, c := range v.t.calls {
		if c.path == path {
			states[c.ID] = c.State
			s.count(c.State, len(v.t.attempts[c.ID]))
		}
	}
	places = map[string]int{}
	for _, r := range v.t.requested {
		if r.path == path {
			places[r.Message] = len(turns)
			turns = append(turns, turn{request: r, state: states[r.Call]})
		}
	}
	return turns, places
}

func (s *sequence) count(state string, attempts int) {
	s.calls++
	s.recorded += attempts
	switch state {
	case "succeeded":
		s.succeeded++
	case "failed":
		s.failed++
	}
}

// meet notes a delivery of the call. An answer that a kill held back went to nobody; in a fleet it may have, and only the log can tell.
func (t *turn) meet(d delivery, said *testimony) {
	t.begun = true
	if d.held > 0 && !said.fleet {
		return
	}
	t.tries++
	if t.over.IsZero() && (d.status/100 == 2 || t.state == "failed" && t.tries >= said.tries) {
		t.over = d.answered
	}
}

// overBy tells whether the call had ended when something came, in the eyes of the receiver and by the log.
func (t *turn) overBy(said *testimony, at time.Time) bool {
	ended := said.ended[t.Call]
	return !t.over.IsZero() && !t.over.After(at) && !ended.IsZero() && !ended.After(at)
}

// orderTable writes a line for each sequential webhook.
func (v *verdict) orderTable(text *strings.Builder) {
	if v.t.ordered == nil {
		return
	}
	t := tabwriter.NewWriter(text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "webhook\tcalls\tsucceeded\tfailed\tdeliveries\tnot stored at a kill\ttwins\tlost\tgaps\tlate\tovertaken\t\n")
	var sum sequence
	for _, s := range v.rows {
		s.line(t, s.path)
		sum.add(s)
	}
	sum.line(t, fmt.Sprintf("%d in all", len(v.rows)))
	_ = t.Flush() // a Builder never fails
	fmt.Fprint(text, "lost, gaps and late are the receiver's account of first deliveries; overtaken came before the call before it had ended\n")
}

func (s *sequence) line(t *tabwriter.Writer, name string) {
	fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, s.calls, s.succeeded, s.failed, s.deliveries, s.deliveries-s.recorded,
		s.twins, len(s.account.Lost), len(s.account.Gaps), len(s.account.Late), s.overtaken)
}

func (s *sequence) add(o sequence) {
	s.calls, s.succeeded, s.failed = s.calls+o.calls, s.succeeded+o.succeeded, s.failed+o.failed
	s.deliveries, s.recorded = s.deliveries+o.deliveries, s.recorded+o.recorded
	s.twins, s.overtaken = s.twins+o.twins, s.overtaken+o.overtaken
	s.account.Lost = append(s.account.Lost, o.account.Lost...)
	s.account.Gaps = append(s.account.Gaps, o.account.Gaps...)
	s.account.Late = append(s.account.Late, o.account.Late...)
}
