// Package broker runs the real servers that transports are tested against: it starts one, waits until it serves, kills it as a
// crash would, starts it again in the same place, and ends it. Only tests and the benchmark use it.
//
// Where the servers are installed is said by the environment variable [Variable]; install.sh puts them there.
//
// Read next: kafka.go, sqs.go, nats.go, each of which knows how to run its own.
package broker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	patience = 60 * time.Second       // for a server to serve: a Java server beside a full test run takes 15 s
	grace    = 20 * time.Second       // between SIGTERM and SIGKILL
	poll     = 100 * time.Millisecond // between two questions whether it serves
	kept     = 16 << 10               // bytes of its last output, for the failure message
)

// A Spec says how to run a server. It is used again at each restart, so nothing in it may change from one run to the next: neither
// the port nor the directory.
type Spec struct {
	Name string   // in messages, such as "kafka"
	Path string   // the program, or its name to be looked up in PATH
	Args []string // without the program
	Dir  string   // its working directory; empty is the test's own
	Env  []string // "NAME=value", added to the environment of the test

	// Ready returns nil when the server serves. It is called until then, one call at a time, and must heed its ctx.
	Ready func(ctx context.Context) error
}

// A Process is a server that a test runs. Its methods may be called from many goroutines, one works at a time.
type Process struct {
	spec Spec
	last tail

	mu      sync.Mutex
	running *run // nil while it is down
}

// A run is one life of the process.
type run struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has been waited for
	err   error         // how it ended; to be read once ended is closed
}

// Start runs a server and returns when it serves. If it ends before, or does not serve within a minute or before ctx ends, it is
// killed, and the error holds its last output. Afterwards ctx has no effect: Close ends the server, and on Linux the test's
// own death does.
func Start(ctx context.Context, s Spec) (*Process, error) {
	p := &Process{spec: s}
	if err := p.Restart(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// Restart kills the server if it runs, starts it again, and returns when it serves; its errors are those of Start.
func (p *Process) Restart(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end(syscall.SIGKILL)
	if err := p.start(); err != nil {
		return fmt.Errorf("start %s: %w", p.spec.Name, err)
	}
	if err := p.ready(ctx); err != nil {
		p.end(syscall.SIGKILL)
		return fmt.Errorf("start %s: %w; its last output:\n%s", p.spec.Name, err, p.last.String())
	}
	return nil
}

// Kill ends the server by SIGKILL, as a crash would, and waits for its end. It does nothing if the server is down.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end(syscall.SIGKILL)
}

// Close ends the server by SIGTERM, after 20 s by SIGKILL, and waits for its end. It does nothing if the server is down.
func (p *Process) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end(syscall.SIGTERM)
}

// Pause stops the server without ending it, as a machine that hangs would be: its connections stay open and nothing answers. Resume
// lets it go on. Both do nothing if the server is down. On Linux it answers nothing more when Pause returns; elsewhere the signal may be on
// its way.
func (p *Process) Pause() {
	p.signal(syscall.SIGSTOP)
	if pid := p.PID(); pid != 0 {
		awaitStop(pid)
	}
}

// Resume lets a paused server go on.
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

// Output returns the last 16 KiB of what the server has printed in all its lives.
func (p *Process) Output() string { return p.last.String() }

// PID is the process's id, 0 while it is down.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return 0
	}
	return p.running.cmd.Process.Pid
}

func (p *Process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		_ = p.running.cmd.Process.Signal(s) // it may have ended meanwhile
	}
}

func (p *Process) start() error {
	cmd := exec.Command(p.spec.Path, p.spec.Args...) //nolint:gosec,noctx // what a test says; the process outlives the context that starts it
	cmd.Dir, cmd.Env = p.spec.Dir, append(os.Environ(), p.spec.Env...)
	cmd.Stdout, cmd.Stderr = &p.last, &p.last
	cmd.SysProcAttr = bound()
	cmd.WaitDelay = time.Second // a child of its own may hold the output open
	if err := cmd.Start(); err != nil {
		return err
	}
	r := &run{cmd: cmd, ended: make(chan struct{})}
	go func() { // ends with the process, joined by end
		defer close(r.ended)
		r.err = cmd.Wait()
	}()
	p.running = r
	return nil
}

// ready waits until the server serves.
func (p *Process) ready(ctx context.Context) error {
	ended := p.running.ended
	err := until(ctx, ended, p.spec.Ready)
	select {
	case <-ended:
		if err != nil {
			return fmt.Errorf("it ended before it served: %w", errors.Join(p.running.err, err))
		}
	default:
	}
	return err
}

// until asks again and again, until it is answered with nil, stop is closed, or patience or ctx ends.
func until(ctx context.Context, stop <-chan struct{}, ask func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-stop:
			return err
		case <-ctx.Done():
			return fmt.Errorf("it does not serve: %w", errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

// end sends a signal and waits for the process; SIGKILL follows after the grace.
func (p *Process) end(s syscall.Signal) {
	if p.running == nil {
		return
	}
	process := p.running.cmd.Process
	_ = process.Signal(s) // it may have ended meanwhile
	_ = process.Signal(syscall.SIGCONT)
	kill := time.AfterFunc(grace, func() { _ = process.Kill() })
	<-p.running.ended
	kill.Stop()
	p.running = nil
}

// A tail keeps the last bytes written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements [io.Writer].
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - kept; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

// String returns what is kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
