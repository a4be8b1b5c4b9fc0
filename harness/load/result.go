package load

import (
	"fmt"
	"slices"
	"time"
)

// A Result is what a run found. Counts of deliveries are of messages times webhooks, but for Deliveries itself.
type Result struct {
	// Run names the run: ids, companies and paths begin with it. Target is its name.
	Run     string    `json:"run"`
	Target  string    `json:"target"`
	Started time.Time `json:"started"`
	Plan    Plan      `json:"plan"`
	// Interrupted says that the run was ended before its time.
	Interrupted bool `json:"interrupted"`

	Generator Generator `json:"generator"`
	// Accepted is how many triggers the sender took, AcceptedPerSecond from the first being due to the last answer; DeliveredPerSecond is
	// of Arrived, to the last first arrival.
	Accepted           int     `json:"accepted"`
	AcceptedPerSecond  float64 `json:"acceptedPerSecond"`
	DeliveredPerSecond float64 `json:"deliveredPerSecond"`
	// Expected is what the accepted triggers should make arrive, Arrived what did, once or more often. Deliveries counts every request,
	// Repeats those after the first of a message at a webhook.
	Expected   int `json:"expected"`
	Arrived    int `json:"arrived"`
	Deliveries int `json:"deliveries"`
	Repeats    int `json:"repeats"`
	// OutOfOrder arrived after a later message had at the same webhook. Unchecked were not signed in a way that could be verified.
	OutOfOrder int `json:"outOfOrder"`
	Unchecked  int `json:"unchecked"`
	// Accept is from when a trigger was due until it was accepted, Arrival until the message first arrived.
	Accept  Latency `json:"accept"`
	Arrival Latency `json:"arrival"`

	// Lost was accepted and never arrived; Unfinished arrived, and was never answered as the faults let it be; Duplicated came again after
	// a 2xx; Bad failed a check, or bore no signature though its key is known; Strange has no place in the run; Refused was not accepted, or had no answer.
	Lost       Named `json:"lost"`
	Unfinished Named `json:"unfinished"`
	Duplicated Named `json:"duplicated"`
	Bad        Named `json:"bad"`
	Strange    Named `json:"strange"`
	Refused    Named `json:"refused"`
	// FirstRefusal is the first error of a trigger, Left what could not be removed.
	FirstRefusal string   `json:"firstRefusal,omitempty"`
	Left         []string `json:"left,omitempty"`

	Classes []Class `json:"classes"`
	// History is what the sender's own history says; nil if it was not asked.
	History  *History  `json:"history,omitempty"`
	Samples  []Sample  `json:"samples"`
	Verdicts []Verdict `json:"verdicts"`
	OK       bool      `json:"ok"`

	refusal error
}

// A Plan is what the run was to do.
type Plan struct {
	Rate           float64 `json:"ratePerSecond"`
	Seconds        float64 `json:"durationSeconds"`
	RampSeconds    float64 `json:"rampSeconds"`
	Companies      int     `json:"companies"`
	Webhooks       int     `json:"webhooks"`
	Receivers      int     `json:"receivers"`
	Payload        int     `json:"payloadBytes"`
	Seed           uint64  `json:"seed"`
	AttemptsOfCall int     `json:"attemptsOfCall,omitempty"`
}

// A Generator tells how the messages were triggered.
type Generator struct {
	Planned int `json:"planned"`
	Sent    int `json:"sent"`
	// PerSecond is over the time that sending took. Held says that it was the intended rate within 1 %.
	PerSecond float64 `json:"perSecond"`
	Held      bool    `json:"held"`
	// Late is from when a trigger was due until it was made.
	Late Latency `json:"late"`
}

// Named is a count of messages, the first MaxNamed of them by their ids.
type Named struct {
	Count int      `json:"count"`
	IDs   []string `json:"ids"`
}

// MaxNamed is how many ids of a kind are named.
const MaxNamed = 1000

func (n *Named) add(id string) {
	if n.Count++; n.Count <= MaxNamed {
		n.IDs = append(n.IDs, id)
	}
}

// sorted is in the order of the ids, and never nil.
func (n Named) sorted() Named {
	n.IDs = slices.Sorted(slices.Values(n.IDs))
	if n.IDs == nil {
		n.IDs = []string{}
	}
	return n
}

// A Class is what became of the messages that one fault struck, or none.
type Class struct {
	Fault    string `json:"fault"`
	Expected int    `json:"expected"`
	Arrived  int    `json:"arrived"`
	// Deliveries counts every attempt; Confirmed were answered with a 2xx in the end, Right ended as the fault lets them.
	Deliveries int     `json:"deliveries"`
	Confirmed  int     `json:"confirmed"`
	Right      int     `json:"right"`
	Lost       int     `json:"lost"`
	Arrival    Latency `json:"arrival"`
}

// A Verdict is one thing that was demanded, and what came of it.
type Verdict struct {
	Name string `json:"name"`
	Got  string `json:"got"`
	OK   bool   `json:"ok"`
}

// String is a line for a person.
func (v Verdict) String() string {
	word := "FAIL"
	if v.OK {
		word = "ok"
	}
	return fmt.Sprintf("%-4s  %s: %s", word, v.Name, v.Got)
}

// judge demands what every run must show, and the objectives.
func (r *Result) judge(slo SLO) {
	triggers := none("every trigger is accepted", "refused or unanswered", r.Refused)
	if r.Accepted == 0 {
		triggers.Got, triggers.OK = "none was accepted", false
	}
	r.Verdicts = []Verdict{
		triggers, none("nothing is lost", "lost", r.Lost), none("every signature is right", "bad", r.Bad),
		none("every message ends as its receiver lets it", "did not", r.Unfinished),
	}
	if h := r.History; h != nil {
		complete := none("the sender's history is complete", "missing", h.Missing)
		if h.Err != "" {
			complete.Got, complete.OK = h.Err, false
		}
		r.Verdicts = append(r.Verdicts, complete, none("the sender's history has the same ends", "differ", h.Wrong))
	}
	if len(r.Left) > 0 {
		r.Verdicts = append(r.Verdicts, Verdict{Name: "all webhooks are removed", Got: fmt.Sprintf("%d left, first %s", len(r.Left), r.Left[0])})
	}
	if r.Interrupted {
		r.Verdicts = append(r.Verdicts, Verdict{Name: "the run comes to its end", Got: "interrupted"})
	}
	for _, o := range slo {
		r.Verdicts = append(r.Verdicts, o.judge(r))
	}
	r.OK = !slices.ContainsFunc(r.Verdicts, func(v Verdict) bool { return !v.OK })
}

// none demands that there is none of them.
func none(name, what string, n Named) Verdict {
	got := fmt.Sprintf("%d %s", n.Count, what)
	if n.Count > 0 {
		got += ", first " + n.IDs[0]
	}
	return Verdict{Name: name, Got: got, OK: n.Count == 0}
}

// Refusal is the first error of a trigger; nil if there was none.
func (r *Result) Refusal() error { return r.refusal }
