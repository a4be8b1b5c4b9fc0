package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var errStillRunning = errors.New("it still runs")

// A process is one life of an engine. One goroutine waits for its end; kill and wait join it.
type process struct {
	cmd   *exec.Cmd
	log   *transcript
	from  [2]int        // where this life begins in the two streams
	ended chan struct{} // closed when it has ended and all its output is read
	err   error         // how it ended; read after ended is closed
}

// startProcess runs posthorn with the arguments, in the script's directory and environment.
func startProcess(ts *testscript.TestScript, args []string, log *transcript) (*process, error) {
	bin, err := findBinary(ts)
	if err != nil {
		return nil, err
	}
	env, err := environ(ts)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.Background(), bin, args...) //nolint:gosec // it runs what the script asks for
	p := &process{cmd: cmd, log: log, ended: make(chan struct{})}
	p.from = [2]int{len(log.out.text()), len(log.err.text())}
	p.cmd.Dir, p.cmd.Env = ts.MkAbs("."), env
	p.cmd.Stdout, p.cmd.Stderr = &log.out, &log.err
	p.cmd.WaitDelay = time.Second // a grandchild that keeps the pipes open must not hold up the script
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// findBinary looks along the script's own PATH, which is not that of this process.
func findBinary(ts *testscript.TestScript) (string, error) {
	if bin := ts.Getenv("POSTHORN_BIN"); bin != "" {
		return bin, nil
	}
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		bin := filepath.Join(dir, "posthorn")
		if info, err := os.Stat(bin); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return bin, nil
		}
	}
	return "", errors.New("there is no posthorn on PATH; give it to testscript.Main, or set POSTHORN_BIN")
}

// environ is the script's environment. testscript tells a verb single variables only, but gives them all to a program that it
// runs; so one is run that writes them to a file, where they do not show in the script's log.
func environ(ts *testscript.TestScript) ([]string, error) {
	file := filepath.Join(ts.Getenv("TMPDIR"), "engine.env")
	if err := ts.Exec("sh", "-c", `umask 077; env -0 >"$TMPDIR/engine.env"`); err != nil {
		return nil, fmt.Errorf("cannot read the script's environment: %w", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00"), os.Remove(file)
}

// addressPattern wants something behind the port, so that an address of which half has been read is not taken for it.
var addressPattern = regexp.MustCompile(`(http://[0-9.]+:[0-9]+)[^0-9]`)

// address waits until the process has written where it listens.
func (p *process) address(ctx context.Context) (string, error) {
	for ended := false; ; {
		moreOut, moreErr := p.log.out.more(), p.log.err.more()
		written := p.log.out.text()[p.from[0]:] + "\n" + p.log.err.text()[p.from[1]:]
		if found := addressPattern.FindStringSubmatch(written); found != nil {
			return found[1], nil
		}
		if ended {
			return "", fmt.Errorf("it ended before it wrote its address: %v", p.cmd.ProcessState)
		}
		select {
		case <-moreOut:
		case <-moreErr:
		case <-p.ended:
			ended = true
		case <-ctx.Done():
			return "", errors.New("it has not written its address (http://IP:PORT) in time")
		}
	}
}

var errEnded = errors.New("the process has ended")

// whileRunning is a context that ends with the process, too.
func (p *process) whileRunning(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-p.ended:
			cancel(errEnded)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(context.Canceled)
		wg.Wait()
	}
}

func (p *process) terminate() { _ = p.cmd.Process.Signal(syscall.SIGTERM) } // fails only if it has ended, which wait tells

// kill ends the process at once and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// wait returns how the process ended, nil for exit code 0, or errStillRunning when the time is over.
func (p *process) wait(bound time.Duration) error {
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-p.ended:
		return p.err
	case <-timer.C:
		return fmt.Errorf("%w after %v", errStillRunning, bound)
	}
}

// A transcript holds what an engine wrote in all its lives.
type transcript struct{ out, err output }

// An output is a stream that is written by the process and read by the script.
type output struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	next chan struct{} // closed with the next write; nil while nobody asked
}

// Write never fails.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next != nil {
		close(o.next)
		o.next = nil
	}
	return o.buf.Write(p)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// more is closed when more has been written than there was at the time of the call.
func (o *output) more() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next == nil {
		o.next = make(chan struct{})
	}
	return o.next
}
