package contest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/payload"
)

// Company is the one that the benchmark's candidates belong to.
const Company = "bench"

// Posthorn is this project's engine, as its binary serves it: durable, in a directory of its own on the disk.
type Posthorn struct {
	// Binary is the path of cmd/posthorn, Dir where the data directories are made: on a real disk, for syncs cost nothing elsewhere.
	Binary, Dir string
}

// Name implements Contender.
func (Posthorn) Name() string { return "posthorn" }

// Start implements Contender: one webhook through the seed's route, and the seed's route for candidates.
func (p Posthorn) Start(ctx context.Context, sinkURL string, _ int) (Target, error) {
	s, err := p.Serve(ctx)
	if err != nil {
		return Target{}, err
	}
	secret, err := s.Register(ctx, sinkURL)
	if err != nil {
		_, stopped := s.Stop()
		return Target{}, errors.Join(err, stopped)
	}
	judge, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		_, stopped := s.Stop()
		return Target{}, errors.Join(fmt.Errorf("read the secret: %w", err), stopped)
	}
	return Target{
		URL: s.URL + "/candidates", Body: payload.Candidate(Company),
		Verify: func(h http.Header, body []byte) error { return judge.Verify(body, h) },
		Check:  s.Syncs, Stop: s.Stop,
	}, nil
}

// A Server is `posthorn serve` in a process of its own.
type Server struct {
	URL string
	// PID is the process's.
	PID int

	child *child.Child
	dir   string
	log   *os.File
}

var listening = regexp.MustCompile(`http://[0-9.:]+`)

// Serve starts the binary over an empty directory.
func (p Posthorn) Serve(ctx context.Context) (*Server, error) {
	dir, err := os.MkdirTemp(p.Dir, "bench-")
	if err != nil {
		return nil, fmt.Errorf("make a data directory: %w", err)
	}
	log, err := os.Create(filepath.Join(dir, "log")) //nolint:gosec // our own directory
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	cmd := exec.Command(p.Binary, "serve", "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", //nolint:gosec,noctx // our own; Stop ends it
		"--allow-target", "127.0.0.0/8", "--log-format", "json")
	cmd.Stderr = log
	c, err := child.Start(ctx, cmd, func(line string) (string, bool) {
		found := listening.FindString(line)
		return found, found != ""
	})
	if err != nil {
		text, _ := os.ReadFile(log.Name()) //nolint:errcheck // for the error's text only
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, text), log.Close(), os.RemoveAll(dir))
	}
	return &Server{URL: c.URL, PID: cmd.Process.Pid, child: c, dir: dir, log: log}, nil
}

// Register makes a webhook for candidate.created and returns its secret.
func (s *Server) Register(ctx context.Context, target string) (string, error) {
	var answer struct {
		Data struct {
			Token string `json:"token"`
		} `json:"data"`
	}
	err := s.Post(ctx, "/webhooks", map[string]string{"companyId": Company, "url": target, "eventType": "candidate.created"}, &answer)
	return answer.Data.Token, err
}

// Post sends body as JSON and reads the answer, which must be a 2xx.
func (s *Server) Post(ctx context.Context, path string, body, into any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // nothing is lost with it
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("POST %s answered %s", path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// Stop ends the server. The data is gone with it; the log's last words are kept for Syncs.
func (s *Server) Stop() (child.Usage, error) {
	http.DefaultClient.CloseIdleConnections()
	return s.child.Stop()
}

var syncs = regexp.MustCompile(`"syncs":(\d+)`)

// Syncs says how many commits the server has synced in its life, as it logged when it stopped, and removes its directory. None at all
// is an error: then nothing was durable.
func (s *Server) Syncs() (string, error) {
	text, err := os.ReadFile(s.log.Name())
	err = errors.Join(err, s.log.Close(), os.RemoveAll(s.dir))
	if err != nil {
		return "", err
	}
	found := syncs.FindStringSubmatch(string(text))
	if found == nil {
		return "", fmt.Errorf("the server did not log its syncs when it stopped: %s", strings.TrimSpace(string(text)))
	}
	if n, err := strconv.Atoi(found[1]); err != nil || n == 0 {
		return "", fmt.Errorf("%s syncs: nothing was durable", found[1])
	}
	return found[1] + " syncs", nil
}

