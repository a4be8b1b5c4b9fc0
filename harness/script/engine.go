package script

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// stopWithin is more than the 15 s that an engine gives its attempts under way.
const stopWithin = 20 * time.Second

// An engine is a program that a script started, over all its lives.
type engine struct {
	name    string
	args    []string
	within  time.Duration
	process *process // nil while it does not run
	log     transcript
}

func (s *session) engine(ts *testscript.TestScript, neg bool, args []string) error {
	if len(args) == 0 {
		return errors.New("want start, kill, stop, restart or log")
	}
	word, rest := args[0], args[1:]
	if neg && word != "start" {
		return fmt.Errorf("! does not go with %s", word)
	}
	switch word {
	case "start":
		return s.engineStart(ts, neg, rest)
	case "kill":
		return s.engineKill(rest)
	case "stop":
		return s.engineStop(rest)
	case "restart":
		return s.engineRestart(ts, rest)
	case "log":
		return s.engineLog(ts, rest)
	}
	return fmt.Errorf("%q is none of start, kill, stop, restart, log", word)
}

func (s *session) engineStart(ts *testscript.TestScript, neg bool, args []string) error {
	var name, data, listen string
	var bound time.Duration
	fs := newFlags()
	fs.StringVar(&name, "name", "", "")
	fs.StringVar(&data, "data", filepath.Join(ts.Getenv("WORK"), "data"), "")
	fs.StringVar(&listen, "listen", "127.0.0.1:0", "")
	fs.DurationVar(&bound, "within", s.within, "")
	if err := parse(fs, args, 0, math.MaxInt); err != nil {
		return err
	}
	serve := append([]string{"serve", "--data", ts.MkAbs(data), "--listen", listen, "--dev"}, fs.Args()...)
	e := &engine{name: name, args: serve, within: bound}
	if neg {
		return e.refuse(ts)
	}
	if old := s.engines[name]; old != nil {
		if old.process != nil {
			return fmt.Errorf("engine %q runs already; stop it or give -name", name)
		}
	}
	s.engines[name] = e
	return s.run(ts, e)
}

// run starts the engine and waits until it takes requests.
func (s *session) run(ts *testscript.TestScript, e *engine) error {
	p, err := startProcess(ts, e.args, &e.log)
	if err != nil {
		return err
	}
	e.process = p
	ctx, cancel := within(e.within)
	defer cancel()
	url, err := p.address(ctx)
	if err == nil {
		err = s.ready(ctx, p, url)
	}
	if err != nil {
		e.kill()
		return fmt.Errorf("%w\nwhat it wrote:\n%s%s", err, e.log.out.text(), e.log.err.text())
	}
	ts.Setenv("ENGINE_URL", url)
	ts.Setenv("POSTHORN_SERVER", url)
	if e.name != "" {
		ts.Setenv(e.name+"_URL", url)
	}
	return nil
}

// ready asks /readyz until it says 200, the process has ended, or ctx has.
func (s *session) ready(ctx context.Context, p *process, url string) error {
	ctx, cancel := p.whileRunning(ctx)
	defer cancel()
	err := poll(ctx, func() error {
		got, err := s.request(ctx, http.MethodGet, url+"/readyz", "", nil)
		if err != nil {
			return err
		}
		if got.status != http.StatusOK {
			return fmt.Errorf("/readyz says %d %.200s", got.status, strings.TrimSpace(got.body))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("engine is not ready: %w", errors.Join(err, context.Cause(ctx)))
	}
	return nil
}

// refuse starts an engine that has to fail, and prints what it wrote.
func (e *engine) refuse(ts *testscript.TestScript) error {
	p, err := startProcess(ts, e.args, &e.log)
	if err != nil {
		return err
	}
	err = p.wait(e.within)
	e.print(ts)
	if errors.Is(err, errStillRunning) {
		p.kill()
		return err
	}
	if err == nil {
		return errors.New("it exited with 0, and should have failed")
	}
	return nil
}

func (s *session) engineKill(args []string) error {
	e, err := s.running(args, nil)
	if err == nil {
		e.kill()
	}
	return err
}

func (s *session) engineStop(args []string) error {
	bound := stopWithin
	e, err := s.running(args, &bound)
	if err != nil {
		return err
	}
	return e.stop(bound)
}

func (s *session) engineRestart(ts *testscript.TestScript, args []string) error {
	var name string
	var kill bool
	fs := newFlags()
	fs.StringVar(&name, "name", "", "")
	fs.BoolVar(&kill, "kill", false, "")
	if err := parse(fs, args, 0, 0); err != nil {
		return err
	}
	e := s.engines[name]
	if e == nil {
		return fmt.Errorf("engine %q was never started", name)
	}
	if e.process != nil && !kill {
		if err := e.stop(stopWithin); err != nil {
			return err
		}
	}
	e.kill()
	return s.run(ts, e)
}

func (s *session) engineLog(ts *testscript.TestScript, args []string) error {
	var name string
	fs := newFlags()
	fs.StringVar(&name, "name", "", "")
	if err := parse(fs, args, 0, 0); err != nil {
		return err
	}
	e := s.engines[name]
	if e == nil {
		return fmt.Errorf("engine %q was never started", name)
	}
	e.print(ts)
	return nil
}

// running parses -name, and -within if a bound is asked for, and finds the engine.
func (s *session) running(args []string, bound *time.Duration) (*engine, error) {
	var name string
	fs := newFlags()
	fs.StringVar(&name, "name", "", "")
	if bound != nil {
		fs.DurationVar(bound, "within", *bound, "")
	}
	if err := parse(fs, args, 0, 0); err != nil {
		return nil, err
	}
	if e := s.engines[name]; e != nil && e.process != nil {
		return e, nil
	}
	return nil, fmt.Errorf("engine %q does not run", name)
}

// stop asks the engine to end and demands that it does, with exit code 0.
func (e *engine) stop(bound time.Duration) error {
	p := e.process
	p.terminate()
	if err := p.wait(bound); err != nil {
		e.kill()
		return fmt.Errorf("after SIGTERM: %w\nwhat it wrote:\n%s%s", err, e.log.out.text(), e.log.err.text())
	}
	e.process = nil
	return nil
}

func (e *engine) kill() {
	if e.process != nil {
		e.process.kill()
		e.process = nil
	}
}

func (e *engine) print(ts *testscript.TestScript) {
	_, _ = fmt.Fprint(ts.Stdout(), e.log.out.text())
	_, _ = fmt.Fprint(ts.Stderr(), e.log.err.text())
}
