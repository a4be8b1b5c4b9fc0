package contest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"posthorn/bench/internal/child"
	"posthorn/harness/load"
)

// A Server is `posthorn serve` in a process of its own. Its methods but Stop, Kill and Cost may be called from many goroutines at once.
type Server struct {
	URL string
	PID int // the process's

	child   *child.Child
	client  *http.Client
	log     *os.File
	words   string // the log, once it has stopped
	release func() error
}

// clients is the most connections of the benchmark's own commands, beside the generator's.
const clients = 16

// Workspace makes an empty directory of its own for a run; the caller removes it.
func (p Posthorn) Workspace() (string, error) {
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return "", fmt.Errorf("make a data directory: %w", err)
	}
	dir, err := os.MkdirTemp(p.Dir, "bench-")
	if err != nil {
		return "", fmt.Errorf("make a data directory: %w", err)
	}
	return dir, nil
}

// Serve starts the binary over an empty directory, which ends with it.
func (p Posthorn) Serve(ctx context.Context) (*Server, error) {
	dir, err := p.Workspace()
	if err != nil {
		return nil, err
	}
	return p.serve(ctx, dir, func() error { return os.RemoveAll(dir) })
}

// ServeIn starts the binary over what lies in a directory of [Posthorn.Workspace], and leaves it there.
func (p Posthorn) ServeIn(ctx context.Context, dir string) (*Server, error) {
	return p.serve(ctx, dir, func() error { return nil })
}

// DataIn is where the data of a server lies in its directory.
func DataIn(dir string) string { return filepath.Join(dir, "data") }

func (p Posthorn) serve(ctx context.Context, dir string, release func() error) (*Server, error) {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, errors.Join(err, release())
	}
	s := &Server{release: release, log: log, client: load.NewClient(clients)}
	cmd := exec.Command(p.Binary, "serve", "--listen", "127.0.0.1:0", //nolint:gosec,noctx // our own; Stop ends it
		"--data", DataIn(dir), "--allow-target", "127.0.0.0/8", "--log-format", "json")
	if p.NoBreaker {
		cmd.Args = append(cmd.Args, "--no-breaker")
	}
	if p.Retention > 0 {
		cmd.Args = append(cmd.Args, "--retention", p.Retention.String())
	}
	if p.Transport.URL != "" {
		cmd.Args = append(cmd.Args, "--transport", p.Transport.fresh())
	}
	if p.Behind {
		cmd = child.Behind(cmd)
	}
	cmd.Stderr = log
	if s.child, err = child.Start(ctx, cmd, listeningAt); err != nil {
		closed := s.close()
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, s.words), closed)
	}
	s.URL, s.PID = s.child.URL, cmd.Process.Pid
	return s, nil
}

var listening = regexp.MustCompile(`http://[0-9.:]+`)

func listeningAt(line string) (string, bool) {
	found := listening.FindString(line)
	return found, found != ""
}

// Kill ends the server as a crash would.
func (s *Server) Kill() error {
	s.client.CloseIdleConnections()
	return errors.Join(s.child.Kill(), s.close())
}

// Stop ends the server, and its directory if it is its own; what it logged is kept for Cost.
func (s *Server) Stop() (child.Usage, error) {
	s.client.CloseIdleConnections()
	usage, err := s.child.Stop()
	if closed := s.close(); err != nil || closed != nil {
		return usage, fmt.Errorf("%w\n%s", errors.Join(err, closed), s.words)
	}
	return usage, nil
}

// close keeps the log's last words, and lets the directory go.
func (s *Server) close() error {
	text, err := os.ReadFile(s.log.Name())
	const most = 4 << 10
	s.words = strings.TrimSpace(string(text[max(0, len(text)-most):]))
	return errors.Join(err, s.log.Close(), s.release())
}

var counted = regexp.MustCompile(`"syncs":(\d+),"envelopes":(\d+),"bytes":(\d+)`)

// Cost says how many commits the server synced in its life, and what it put on the transport, as it logged when it stopped; it is asked
// after Stop. No sync at all is an error, for then nothing was durable, and so is no envelope.
func (s *Server) Cost() (c Cost, err error) {
	found := counted.FindStringSubmatch(s.words)
	if found == nil {
		return c, fmt.Errorf("the server did not log its syncs and envelopes when it stopped, so they cannot be counted: %.1000s", s.words)
	}
	for i, into := range []*int{&c.Syncs, &c.Envelopes, &c.Bytes} {
		if *into, err = strconv.Atoi(found[1+i]); err != nil {
			return c, fmt.Errorf("read what the server counted: %w", err)
		}
	}
	switch {
	case c.Syncs == 0:
		return c, errors.New("0 syncs: nothing was durable")
	case c.Envelopes == 0:
		return c, errors.New("0 envelopes: nothing went over the transport")
	}
	return c, nil
}

// RegisterSeed makes a webhook for candidate.created by the seed's route, and returns its secret.
func (s *Server) RegisterSeed(ctx context.Context, company, target string) (string, error) {
	var answer struct {
		Data struct {
			Token string `json:"token"`
		} `json:"data"`
	}
	err := s.Post(ctx, "/webhooks", map[string]string{"companyId": company, "url": target, "eventType": "candidate.created"}, &answer)
	return answer.Data.Token, err
}

// Register makes a webhook for all messages of a company by /v1, with the timeout of 15 s that is the default, and returns its secret.
func (s *Server) Register(ctx context.Context, company, target string) (string, error) {
	var answer struct {
		Secret string `json:"secret"`
	}
	err := s.Post(ctx, companyPath(company)+"/webhooks",
		map[string]any{"url": target, "eventTypes": []string{"*"}, "timeout": "15s"}, &answer)
	return answer.Secret, err
}

// Publish accepts a message for a company.
func (s *Server) Publish(ctx context.Context, company string, body []byte) error {
	return s.Post(ctx, companyPath(company)+"/messages", json.RawMessage(body), new(json.RawMessage))
}

// A callsPage is a page of a company's calls.
type callsPage struct {
	Data       []json.RawMessage `json:"data"`
	NextCursor string            `json:"nextCursor"`
}

// Calls counts the calls of a company that are in a state, as in "pending" for those that have not ended.
func (s *Server) Calls(ctx context.Context, company, state string) (int, error) {
	var count int
	query := url.Values{"state": {state}, "limit": {"250"}}
	for {
		var page callsPage
		if err := s.Ask(ctx, http.MethodGet, companyPath(company)+"/calls?"+query.Encode(), "", nil, &page); err != nil {
			return 0, err
		}
		if count += len(page.Data); page.NextCursor == "" {
			return count, nil
		}
		query.Set("cursor", page.NextCursor)
	}
}

func companyPath(company string) string { return "/v1/companies/" + url.PathEscape(company) }

// Post sends body as JSON and reads the answer, which must be a 2xx.
func (s *Server) Post(ctx context.Context, path string, body, into any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("POST %s: %w", path, err)
	}
	return s.Ask(ctx, http.MethodPost, path, "", data, into)
}

// Ask makes a request with a JSON body and reads the answer, which must be a 2xx. key makes it safe to repeat; empty for none.
func (s *Server) Ask(ctx context.Context, method, path, key string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()                    // nothing is lost with it
	answer, err := io.ReadAll(io.LimitReader(res.Body, 8<<20)) // to its end, so that the connection is kept
	if err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s answered %s: %.300s", method, path, res.Status, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return nil
}
