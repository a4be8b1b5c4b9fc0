package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"posthorn/bench/internal/child"
)

// A server is `posthorn serve` over one directory and one port, started as often as it is killed. Its methods are for one goroutine.
type server struct {
	api *api

	binary, dir, address string
	log                  *os.File
	child                *child.Child // nil while none runs
	began                time.Time    // when it was started last
}

func newServer(ctx context.Context, binary, dir string) (*server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, fmt.Errorf("make the server's log: %w", err)
	}
	return &server{binary: binary, dir: dir, address: address, log: log, api: newAPI("http://" + address)}, nil
}

// freeAddress is a port that stays ours while the server is down: below those that the system gives to connections (32,768 on Linux,
// 49,152 elsewhere), one of which could even connect to itself.
func freeAddress(ctx context.Context) (string, error) {
	var last error
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000)) //nolint:gosec // any will do
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err == nil {
			return address, l.Close()
		}
		last = err
	}
	return "", fmt.Errorf("find a free port between 20,000 and 30,000: %w", last)
}

var listening = regexp.MustCompile(`http://[0-9.:]+`)

// start returns when the server takes requests.
func (s *server) start(ctx context.Context) (err error) {
	cmd := exec.Command(s.binary, "serve", "--listen", s.address, //nolint:gosec,noctx // our own; kill or end ends it
		"--data", s.data(), "--allow-target", "127.0.0.0/8", "--log-format", "json")
	cmd.Stderr = s.log
	s.began = time.Now()
	s.child, err = child.Start(ctx, cmd, func(line string) (string, bool) {
		found := listening.FindString(line)
		return found, found != ""
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, s.words())
	}
	return nil
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
	err := s.child.Kill()
	s.child = nil
	s.api.forget()
	if err != nil {
		return fmt.Errorf("kill the server: %w\n%s", err, s.words())
	}
	return nil
}

// stop ends it in order.
func (s *server) stop() error {
	s.api.forget()
	_, err := s.child.Stop()
	s.child = nil
	if err != nil {
		return fmt.Errorf("%w\n%s", err, s.words())
	}
	return nil
}

// end releases everything; a server that still runs because of a failure is killed.
func (s *server) end(failed error) error {
	var err error
	if s.child != nil && failed != nil {
		err = s.kill()
	} else if s.child != nil {
		err = s.stop()
	}
	return errors.Join(err, s.log.Close())
}

// tool runs `posthorn log VERB` over the directory of the stopped server.
func (s *server) tool(ctx context.Context, verb string) error {
	cmd := exec.CommandContext(ctx, s.binary, "log", verb, "--data", s.data()) //nolint:gosec // our own
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("posthorn log %s: %w\n%s", verb, err, out)
	}
	return nil
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// words are the last of what it logged.
func (s *server) words() string {
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	const most = 4 << 10
	return strings.TrimSpace(string(text[max(0, len(text)-most):]))
}
