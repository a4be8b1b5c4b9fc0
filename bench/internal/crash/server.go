package crash

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"posthorn/internal/freeport"
)

// A server is `posthorn serve` over one directory and one port. Its methods are for one goroutine.
type server struct {
	*process
	api   *api
	data  string
	began time.Time // when it was started last
}

// newServer makes one that takes further flags and a further environment.
func newServer(ctx context.Context, binary, dir string, env []string, further ...string) (*server, error) {
	port, err := freeport.Take(ctx)
	if err != nil {
		return nil, err
	}
	address, data := net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), filepath.Join(dir, "data")
	args := []string{
		"serve", "--listen", address, "--data", data, "--allow-target", "127.0.0.0/8", "--log-format", "json",
		"--no-breaker", // else what the receivers refuse would hold their webhooks back for half a minute and more
	}
	p, err := newProcess(binary, filepath.Join(dir, "log"), env, append(args, further...)...)
	if err != nil {
		return nil, err
	}
	return &server{process: p, data: data, api: newAPI("http://" + address)}, nil
}

// start returns when the server takes requests.
func (s *server) start(ctx context.Context) error {
	s.began = time.Now()
	return s.process.start(ctx)
}

// startAndKill kills a start that is not done after the time given. It says whether that was so; else the server runs.
func (s *server) startAndKill(ctx context.Context, after time.Duration) (bool, error) {
	cut, cancel := context.WithTimeout(ctx, after)
	defer cancel()
	err := s.start(cut)
	if err == nil || cut.Err() == nil || ctx.Err() != nil {
		return false, err
	}
	return true, nil
}

// kill ends it as a crash would, and returns when it is gone.
func (s *server) kill() error {
	defer s.api.forget()
	return s.process.kill()
}

// stop ends it in order.
func (s *server) stop() error {
	s.api.forget()
	return s.process.stop()
}

// end releases everything.
func (s *server) end(failed error) error {
	s.api.forget()
	return s.process.end(failed)
}

// tool runs `posthorn log VERB` over the directory of the stopped server.
func (s *server) tool(ctx context.Context, verb string) error {
	cmd := exec.CommandContext(ctx, s.binary, "log", verb, "--data", s.data) //nolint:gosec // our own
	cmd.Env = append(os.Environ(), s.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("posthorn log %s: %w\n%s", verb, err, out)
	}
	return nil
}
