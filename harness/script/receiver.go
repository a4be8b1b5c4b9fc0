package script

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"posthorn/harness"
)

func (s *session) receive(ts *testscript.TestScript, _ bool, args []string) error {
	name, rest, err := named(args)
	if err != nil {
		return err
	}
	var o harness.Options
	fs := newFlags()
	fs.StringVar(&o.Listen, "listen", "", "")
	fs.StringVar(&o.Secret, "secret", "", "")
	fs.IntVar(&o.Keep, "keep", 0, "")
	if err := parse(fs, rest, 0, 0); err != nil {
		return err
	}
	if s.receivers[name] != nil {
		return fmt.Errorf("there is a receiver %q already", name)
	}
	r, err := harness.Start(context.Background(), o) // ends in session.close
	if err != nil {
		return err
	}
	s.receivers[name] = &receiver{Receiver: r, hold: make(chan struct{})}
	ts.Setenv(name+"_URL", r.URL())
	return nil
}

func (s *session) setSecret(ts *testscript.TestScript, _ bool, args []string) error {
	r, rest, err := s.receiver(args)
	if err != nil {
		return err
	}
	var path, file string
	fs := newFlags()
	fs.StringVar(&path, "path", "", "")
	fs.StringVar(&file, "json", "", "")
	if err := parse(fs, rest, 1, 1); err != nil {
		return err
	}
	value := fs.Arg(0)
	if file != "" {
		if value, err = textAt(ts.ReadFile(file), fs.Arg(0)); err != nil {
			return err
		}
	}
	return r.part(path).SetSecret(value)
}

func (s *session) reply(_ *testscript.TestScript, _ bool, args []string) error {
	r, rest, err := s.receiver(args)
	if err != nil {
		return err
	}
	var path string
	var hold bool
	var p harness.Reply
	headers := pairs{separator: "="}
	fs := newFlags()
	fs.StringVar(&path, "path", "", "")
	fs.BoolVar(&hold, "hold", false, "")
	fs.IntVar(&p.Times, "times", 0, "")
	fs.BoolVar(&p.Keep, "keep", false, "")
	fs.DurationVar(&p.Delay, "delay", 0, "")
	fs.DurationVar(&p.RetryAfter, "retry-after", 0, "")
	fs.StringVar(&p.Body, "body", "", "")
	fs.Var(&headers, "header", "")
	if err := parse(fs, rest, 1, 1); err != nil {
		return err
	}
	if err := answer(&p, fs.Arg(0)); err != nil {
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

func answer(p *harness.Reply, word string) error {
	switch fault := harness.Fault(word); fault {
	case harness.Hang, harness.Reset, harness.Endless:
		p.Fault = fault
		return nil
	}
	status, err := strconv.Atoi(word)
	if err != nil || status < 200 || status > 999 {
		return fmt.Errorf("%q is neither an HTTP status nor hang, reset or endless", word)
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

func (s *session) account(ts *testscript.TestScript, _ bool, args []string) error {
	r, rest, err := s.receiver(args)
	if err != nil {
		return err
	}
	var path, file string
	var once bool
	fs := newFlags()
	fs.StringVar(&path, "path", "", "")
	fs.StringVar(&file, "expect", "", "")
	fs.BoolVar(&once, "no-duplicates", false, "")
	if err := parse(fs, rest, 0, 0); err != nil {
		return err
	}
	var expected []string
	if file != "" {
		if expected = strings.Fields(ts.ReadFile(file)); len(expected) == 0 {
			return fmt.Errorf("%s names no id", file)
		}
	}
	a := r.part(path).Account(expected...)
	_, _ = fmt.Fprintln(ts.Stdout(), a)
	if len(a.Lost) > 0 || a.Bad > 0 || once && a.Duplicates > 0 {
		return errors.New("the account is not in order")
	}
	return nil
}

// part is what Receiver and Endpoint have in common.
type part interface {
	SetSecret(secret string) error
	Reply(replies ...harness.Reply)
	Account(expected ...string) harness.Account
}

func (r *receiver) part(path string) part {
	if path == "" {
		return r.Receiver
	}
	return r.Endpoint(path)
}

func (s *session) receiver(args []string) (r *receiver, rest []string, err error) {
	name, rest, err := named(args)
	if err != nil {
		return nil, nil, err
	}
	if r = s.receivers[name]; r == nil {
		return nil, nil, fmt.Errorf("there is no receiver %q; start it with: receiver %s", name, name)
	}
	return r, rest, nil
}

func named(args []string) (name string, rest []string, err error) {
	if len(args) == 0 || args[0] == "" || strings.HasPrefix(args[0], "-") {
		return "", nil, errors.New("the first argument must be the receiver's name")
	}
	return args[0], args[1:], nil
}

// within bounds a wait.
func within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}
