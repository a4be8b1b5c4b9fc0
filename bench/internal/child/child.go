// Package child runs a contender as a process of its own: it starts it, learns where it listens from what it prints, and
// ends it. Read next: package contest.
package child

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Grace is what a child has between SIGTERM and SIGKILL.
const Grace = 30 * time.Second

// A Child is a process that runs. Its methods are for one goroutine.
type Child struct {
	// URL is where it listens, as it said.
	URL string

	cmd     *exec.Cmd
	drained chan struct{} // its output has ended
}

// Usage is what a child has used in its whole life.
type Usage struct {
	CPU  time.Duration // user and system
	Peak int64         // bytes of resident memory at the most; 0 where the system does not say
}

// Behind makes of cmd, which has nothing but a path and arguments, one that runs with a lower priority than this process: where both want a
// processor, an instrument that waits for it would measure that.
func Behind(cmd *exec.Cmd) *exec.Cmd {
	return exec.Command("nice", append([]string{"-n", "10"}, cmd.Args...)...) //nolint:gosec,noctx // as cmd
}

// Start runs cmd, a command made for the child alone, and reads its standard output until address finds in a line where it
// listens. What it says on its standard error goes to ours, unless cmd names another place. It kills the child when that does not come
// before ctx ends; afterwards ctx has no effect on it.
func Start(ctx context.Context, cmd *exec.Cmd, address func(line string) (url string, ok bool)) (*Child, error) {
	cmd.SysProcAttr = bound() // a benchmark that is killed leaves nothing behind
	if cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	c := &Child{cmd: cmd, drained: make(chan struct{})}
	found := make(chan string, 1)
	go func() { // ends with the child's output, joined by Stop
		defer close(c.drained)
		listen(out, address, found)
	}()
	var said bool
	select {
	case c.URL, said = <-found:
	case <-ctx.Done():
	}
	if !said {
		_, err := c.end(syscall.SIGKILL)
		return nil, fmt.Errorf("start %s: it did not say where it listens: %w", cmd.Path, errors.Join(ctx.Err(), err))
	}
	return c, nil
}

// listen reads out to its end, and sends the first address; found is closed if none comes.
func listen(out io.Reader, address func(string) (string, bool), found chan<- string) {
	defer close(found)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if url, ok := address(lines.Text()); ok {
			found <- url
			_, _ = io.Copy(io.Discard, out) // what it prints later is of no interest, but it must not block
			return
		}
	}
}

// Stop ends the child with SIGTERM, waits for it, and kills it after Grace. It returns an error if the child did not exit with 0.
func (c *Child) Stop() (Usage, error) {
	kill := time.AfterFunc(Grace, func() { _ = c.cmd.Process.Kill() }) // it may have ended meanwhile
	defer kill.Stop()
	return c.end(syscall.SIGTERM)
}

// Kill ends the child with SIGKILL, as a crash would, and waits for it.
func (c *Child) Kill() error {
	_, err := c.end(syscall.SIGKILL)
	if ended, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ended.Signaled() && ended.Signal() == syscall.SIGKILL {
		return nil // as it was meant
	}
	return fmt.Errorf("%w: it had ended before it was killed", err)
}

func (c *Child) end(signal syscall.Signal) (Usage, error) {
	sent := c.cmd.Process.Signal(signal)
	<-c.drained // Wait closes the pipe, so it comes after the last read
	err := c.cmd.Wait()
	ended := c.cmd.ProcessState
	u := Usage{CPU: ended.UserTime() + ended.SystemTime(), Peak: peak(ended)}
	if err := errors.Join(sent, err); err != nil {
		return u, fmt.Errorf("stop %s: %w", c.cmd.Path, err)
	}
	return u, nil
}
