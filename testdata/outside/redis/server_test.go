package redis_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// dispatcherOf is the environment variable that makes a dispatcher of this test's program: the socket of its Redis.
const dispatcherOf = "REDIS_DISPATCHER_OF"

// A server is a Redis of the test's own, without persistence. It listens on a socket in its directory, which nobody else can take while
// it is down.
type server struct {
	t           *testing.T
	dir, socket string
	running     *exec.Cmd
}

// newServer prepares a server, which start starts. It skips the test where there is none to be started.
func newServer(t *testing.T) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil || os.Getenv("POSTHORN_BROKERS") == "" {
		t.Skip("needs a real Redis: make test/transports")
	}
	dir, err := os.MkdirTemp("", "redis") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: dir, socket: filepath.Join(dir, "socket")}
	t.Cleanup(func() {
		s.kill()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return s
}

func startServer(t *testing.T) *server {
	t.Helper()
	s := newServer(t)
	s.start()
	return s
}

// start returns when the server answers.
func (s *server) start() {
	s.t.Helper()
	s.running = child(s.t, exec.Command("redis-server", "--port", "0", "--unixsocket", s.socket, "--dir", s.dir, "--save", "", "--logfile", "log"))
	client := s.client()
	if err := every(bounded(s.t), func() bool { return client.Ping(s.t.Context()).Err() == nil }); err != nil {
		said, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		s.t.Fatalf("redis-server does not answer: %v\n%s", err, said)
	}
}

// kill ends the server as a crash would. It is idempotent.
func (s *server) kill() {
	if s.running != nil {
		end(s.running)
		s.running = nil
	}
}

func (s *server) client() *redis.Client {
	client := redis.NewClient(options(s.socket))
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

func options(socket string) *redis.Options { return &redis.Options{Network: "unix", Addr: socket} }

// entry is one that no Posthorn has written.
func entry(stream string) *redis.XAddArgs {
	return &redis.XAddArgs{Stream: stream, Values: []string{"name", "value"}}
}

// startDispatcher runs this program again, as a dispatcher. It returns what kills it.
func startDispatcher(t *testing.T, socket string) (kill func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), dispatcherOf+"="+socket)
	child(t, cmd)
	kill = func() { end(cmd) }
	t.Cleanup(kill)
	return kill
}

// child starts a program that dies with this one.
func child(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// end kills a program and waits for its end. It is idempotent.
func end(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// every asks a few times a second until it is so, or ctx ends.
func every(ctx context.Context, so func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
