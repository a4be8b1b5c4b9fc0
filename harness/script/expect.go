package script

import (
	"errors"
	"flag"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"posthorn/harness"
)

// An expectation is what an expect verb asks for.
type expectation struct {
	n, exactly int
	verified   bool
	within     time.Duration
	path, id   string
	body       *regexp.Regexp
	headers    map[string]*regexp.Regexp
}

func (s *session) expect(ts *testscript.TestScript, neg bool, args []string) error {
	r, rest, err := s.receiver(args)
	if err != nil {
		return err
	}
	e, err := s.parseExpect(rest)
	if err != nil {
		return err
	}
	if neg {
		return e.none(r)
	}
	ctx, cancel := within(e.within)
	defer cancel()
	if err := r.AwaitMatch(ctx, max(e.n, e.exactly), e.match); err != nil {
		return fmt.Errorf("%w\nwhat came: %s", err, what(r))
	}
	all := e.matching(r)
	if e.exactly >= 0 && len(all) != e.exactly {
		return fmt.Errorf("%d deliveries match, not exactly %d\nwhat came: %s", len(all), e.exactly, what(r))
	}
	for _, d := range all {
		if e.verified && !d.Verified() {
			return fmt.Errorf("not verified: %v", d)
		}
	}
	if len(all) > 0 {
		_, _ = fmt.Fprintf(ts.Stdout(), "%s\n", all[len(all)-1].Body)
	}
	return nil
}

func (s *session) parseExpect(args []string) (*expectation, error) {
	e := &expectation{headers: map[string]*regexp.Regexp{}}
	var body string
	headers := pairs{separator: "="}
	fs := newFlags()
	fs.IntVar(&e.n, "n", 1, "")
	fs.IntVar(&e.exactly, "exactly", -1, "")
	fs.BoolVar(&e.verified, "verified", false, "")
	fs.DurationVar(&e.within, "within", s.within, "")
	fs.StringVar(&e.path, "path", "", "")
	fs.StringVar(&e.id, "id", "", "")
	fs.StringVar(&body, "body", "", "")
	fs.Var(&headers, "header", "")
	if err := parse(fs, args, 0, 0); err != nil {
		return nil, err
	}
	if given(fs, "exactly") {
		if given(fs, "n") || e.exactly < 0 {
			return nil, errors.New("give either -n or -exactly, 0 or more")
		}
		e.n = 0
	}
	if err := e.compile(body, headers.all); err != nil {
		return nil, err
	}
	return e, nil
}

func given(fs *flag.FlagSet, name string) (found bool) {
	fs.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

func (e *expectation) compile(body string, headers [][2]string) (err error) {
	if e.body, err = regexp.Compile(body); err != nil {
		return err
	}
	for _, h := range headers {
		if e.headers[h[0]], err = regexp.Compile(h[1]); err != nil {
			return err
		}
	}
	return nil
}

func (e *expectation) match(d harness.Delivery) bool {
	if e.path != "" && e.path != d.Path || e.id != "" && e.id != d.ID || !e.body.Match(d.Body) {
		return false
	}
	for name, want := range e.headers {
		if len(d.Header.Values(name)) == 0 || !want.MatchString(d.Header.Get(name)) {
			return false
		}
	}
	return true
}

func (e *expectation) matching(r *receiver) (all []harness.Delivery) {
	for _, d := range r.Deliveries() {
		if e.match(d) {
			all = append(all, d)
		}
	}
	return all
}

func (e *expectation) none(r *receiver) error {
	if all := e.matching(r); len(all) > 0 {
		return fmt.Errorf("%d deliveries match, the first is %v", len(all), all[0])
	}
	return nil
}

// what lists the last deliveries, for a person who looks for the one that is not there.
func what(r *receiver) string {
	var b strings.Builder
	fmt.Fprint(&b, r.Account())
	all := r.Deliveries()
	for _, d := range all[max(0, len(all)-10):] {
		fmt.Fprintf(&b, "\n  %v: %.300s", d, d.Body)
	}
	return b.String()
}
