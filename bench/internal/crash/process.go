package crash

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"posthorn/bench/internal/child"
)

// A process is the binary with one verb and one list of flags, started as often as it is killed. Its methods are for one goroutine.
type process struct {
	binary string
	args   []string
	env    []string // "NAME=value", beside our own environment
	log    *os.File // of all its lives
	child  *child.Child
}

func newProcess(binary, logFile string, env []string, args ...string) (*process, error) {
	log, err := os.Create(logFile)
	if err != nil {
		return nil, fmt.Errorf("make the log of posthorn %s: %w", args[0], err)
	}
	return &process{binary: binary, args: args, env: env, log: log}, nil
}

var listening = regexp.MustCompile(`http://[0-9.:]+`)

// start returns when the process says where it listens.
func (p *process) start(ctx context.Context) (err error) {
	cmd := exec.Command(p.binary, p.args...) //nolint:gosec,noctx // our own; kill or end ends it
	cmd.Stderr, cmd.Env = p.log, append(os.Environ(), p.env...)
	p.child, err = child.Start(ctx, cmd, func(line string) (string, bool) {
		found := listening.FindString(line)
		return found, found != ""
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, p.words())
	}
	return nil
}

// kill ends it as a crash would, and returns when it is gone.
func (p *process) kill() error {
	err := p.child.Kill()
	p.child = nil
	if err != nil {
		return fmt.Errorf("kill posthorn %s: %w\n%s", p.args[0], err, p.words())
	}
	return nil
}

// stop ends it in order.
func (p *process) stop() error {
	_, err := p.child.Stop()
	p.child = nil
	if err != nil {
		return fmt.Errorf("%w\n%s", err, p.words())
	}
	return nil
}

// end releases everything; a process that still runs because of a failure is killed.
func (p *process) end(failed error) (err error) {
	switch {
	case p.child == nil:
	case failed != nil:
		err = p.kill()
	default:
		err = p.stop()
	}
	if closed := p.log.Close(); err == nil {
		err = closed
	}
	return err
}

// words are the last of what it logged.
func (p *process) words() string {
	const most = 4 << 10
	info, err := p.log.Stat()
	if err != nil {
		return err.Error()
	}
	text, err := io.ReadAll(io.NewSectionReader(p.log, max(0, info.Size()-most), most))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}
