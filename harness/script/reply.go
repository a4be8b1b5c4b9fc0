package script

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"posthorn/harness"
)

func (s *session) reply(_ *testscript.TestScript, _ bool, args []string) error {
	r, rest, err := s.receiver(args)
	if err != nil {
		return err
	}
	var path string
	var hold bool
	var p harness.Reply
	var only chosen
	headers := pairs{separator: "="}
	fs := newFlags()
	fs.StringVar(&path, "path", "", "")
	fs.StringVar(&only.id, "for-id", "", "")
	fs.IntVar(&only.attempt, "for-attempt", 0, "")
	fs.StringVar(&only.body, "for-body", "", "")
	fs.BoolVar(&hold, "hold", false, "")
	fs.IntVar(&p.Times, "times", 0, "")
	fs.BoolVar(&p.Keep, "keep", false, "")
	fs.DurationVar(&p.Delay, "delay", 0, "")
	fs.DurationVar(&p.RetryAfter, "retry-after", 0, "")
	fs.DurationVar(&p.Pause, "pause", 0, "")
	fs.StringVar(&p.Location, "location", "", "")
	fs.StringVar(&p.Body, "body", "", "")
	fs.Var(&headers, "header", "")
	if err := parse(fs, rest, 1, 1); err != nil {
		return err
	}
	if err := answer(&p, fs.Arg(0)); err != nil {
		return err
	}
	if p.When, err = only.predicate(); err != nil {
		return err
	}
	if hold {
		p.Hold = r.hold
	}
	p.Header = map[string]string{}
	for _, h := range headers.all {
		p.Header[h[0]] = h[1]
	}
	r.part(path).Reply(p)
	return nil
}

// chosen says which deliveries a reply is for.
type chosen struct {
	id, body string
	attempt  int
}

// predicate is nil for all deliveries.
func (c chosen) predicate() (func(harness.Delivery) bool, error) {
	if c == (chosen{}) {
		return nil, nil //nolint:nilnil // what a Reply takes for all
	}
	body, err := regexp.Compile(c.body)
	if err != nil {
		return nil, err
	}
	return func(d harness.Delivery) bool {
		return (c.id == "" || c.id == d.ID) && (c.attempt == 0 || c.attempt == d.Repeat+1) && body.Match(d.Body)
	}, nil
}

func answer(p *harness.Reply, word string) error {
	faults := []harness.Fault{harness.Hang, harness.Reset, harness.Truncate, harness.Drip, harness.Endless}
	if fault := harness.Fault(word); slices.Contains(faults, fault) {
		p.Fault = fault
		return nil
	}
	status, err := strconv.Atoi(word)
	if err != nil || status < 200 || status > 999 {
		return fmt.Errorf("%q is neither an HTTP status nor one of %q", word, faults)
	}
	p.Status = status
	return nil
}

func (s *session) release(_ *testscript.TestScript, _ bool, args []string) error {
	r, rest, err := s.receiver(args)
	if err != nil {
		return err
	}
	if err := parse(newFlags(), rest, 0, 0); err != nil {
		return err
	}
	close(r.hold)
	r.hold = make(chan struct{})
	return nil
}
