package script

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
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
	var form, where, kind string
	fs := newFlags()
	fs.StringVar(&o.Listen, "listen", "", "")
	fs.StringVar(&kind, "tls", "", "")
	fs.StringVar(&o.Secret, "secret", "", "")
	fs.StringVar(&form, "hmac", "", "")
	fs.StringVar(&where, "id", "header:webhook-id", "")
	fs.IntVar(&o.Keep, "keep", 0, "")
	fs.BoolVar(&o.DropBodies, "drop-bodies", false, "")
	if err := parse(fs, rest, 0, 0); err != nil {
		return err
	}
	if s.receivers[name] != nil {
		return fmt.Errorf("there is a receiver %q already", name)
	}
	o.TLS = harness.TLS(kind)
	if o.ID, err = harness.ParseID(where); err != nil {
		return err
	}
	if form != "" {
		if o.HMAC, err = harness.ParseHMAC(form, o.Secret); err != nil {
			return err
		}
		o.Secret = ""
	}
	r, err := harness.Start(context.Background(), o) // ends in session.close
	if err != nil {
		return err
	}
	s.receivers[name] = &receiver{Receiver: r, hold: make(chan struct{})}
	ts.Setenv(name+"_URL", r.URL())
	return s.trust(ts, name, r.CA())
}

// trust lets the verb http trust a receiver, and writes its authority down for programs.
func (s *session) trust(ts *testscript.TestScript, name string, ca []byte) error {
	if ca == nil {
		return nil
	}
	file := filepath.Join(ts.Getenv("WORK"), name+".ca.pem")
	ts.Setenv(name+"_CA", file)
	s.trusted.AppendCertsFromPEM(ca)
	s.client.CloseIdleConnections()
	s.client.Transport = &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: s.trusted.Clone(), MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}
	return os.WriteFile(file, ca, 0o600)
}

func (s *session) setSecret(ts *testscript.TestScript, _ bool, args []string) error {
	r, rest, err := s.receiver(args)
	if err != nil {
		return err
	}
	var path, form, file string
	fs := newFlags()
	fs.StringVar(&path, "path", "", "")
	fs.StringVar(&form, "hmac", "", "")
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
	if form == "" {
		return r.part(path).SetSecret(value)
	}
	h, err := harness.ParseHMAC(form, value)
	if err != nil {
		return err
	}
	return r.part(path).SetHMAC(h)
}

func (s *session) account(ts *testscript.TestScript, _ bool, args []string) error {
	r, rest, err := s.receiver(args)
	if err != nil {
		return err
	}
	var path, file string
	var once, inOrder bool
	fs := newFlags()
	fs.StringVar(&path, "path", "", "")
	fs.StringVar(&file, "expect", "", "")
	fs.BoolVar(&once, "no-duplicates", false, "")
	fs.BoolVar(&inOrder, "in-order", false, "")
	if err := parse(fs, rest, 0, 0); err != nil {
		return err
	}
	var expected []string
	if file != "" {
		if expected = strings.Fields(ts.ReadFile(file)); len(expected) == 0 {
			return fmt.Errorf("%s names no id", file)
		}
	}
	if inOrder && len(expected) == 0 {
		return errors.New("-in-order needs -expect FILE, which has the order")
	}
	a := r.part(path).Account(expected...)
	_, _ = fmt.Fprintln(ts.Stdout(), a)
	if len(a.Lost) > 0 || a.Bad > 0 || once && a.Duplicates > 0 || inOrder && len(a.Late) > 0 {
		return errors.New("the account is not in order")
	}
	return nil
}

func (s *session) awaitIdle(_ *testscript.TestScript, _ bool, args []string) error {
	r, rest, err := s.receiver(args)
	if err != nil {
		return err
	}
	var path string
	var bound time.Duration
	fs := newFlags()
	fs.StringVar(&path, "path", "", "")
	fs.DurationVar(&bound, "within", s.within, "")
	if err := parse(fs, rest, 1, 1); err != nil {
		return err
	}
	quiet, err := time.ParseDuration(fs.Arg(0))
	if err != nil {
		return err
	}
	ctx, cancel := within(bound)
	defer cancel()
	return r.part(path).AwaitIdle(ctx, quiet)
}

func (s *session) underWay(_ *testscript.TestScript, _ bool, args []string) error {
	r, rest, err := s.receiver(args)
	if err != nil {
		return err
	}
	var path string
	var most bool
	fs := newFlags()
	fs.StringVar(&path, "path", "", "")
	fs.BoolVar(&most, "most", false, "")
	if err := parse(fs, rest, 1, 1); err != nil {
		return err
	}
	want, err := strconv.Atoi(fs.Arg(0))
	if err != nil {
		return err
	}
	got, when := r.part(path).UnderWay(), "are under way"
	if most {
		got, when = r.part(path).MostUnderWay(), "have been under way at once"
	}
	if got != want {
		return fmt.Errorf("%d requests %s, not %d", got, when, want)
	}
	return nil
}

// part is what Receiver and Endpoint have in common.
type part interface {
	SetSecret(secret string) error
	SetHMAC(h harness.HMAC) error
	Reply(replies ...harness.Reply)
	Account(expected ...string) harness.Account
	AwaitIdle(ctx context.Context, quiet time.Duration) error
	UnderWay() int
	MostUnderWay() int
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
