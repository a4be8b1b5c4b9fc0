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
	"posthorn/bench/internal/load"
)

// A Server is `posthorn serve` in a process of its own, over a directory that ends with it. Its methods but Stop and Syncs may be called
// from many goroutines at once.
type Server struct {
	URL string
	PID int // the process's

	child  *child.Child
	client *http.Client
	dir    string
	log    *os.File
	words  string // the log, once it has stopped
}

// clients is the most connections of the benchmark's own commands, beside the generator's.
const clients = 16

// Serve starts the binary over an empty directory.
func (p Posthorn) Serve(ctx context.Context) (*Server, error) {
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a data directory: %w", err)
	}
	dir, err := os.MkdirTemp(p.Dir, "bench-")
	if err != nil {
		return nil, fmt.Errorf("make a data directory: %w", err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s := &Server{dir: dir, log: log, client: &http.Client{Transport: load.NewTransport(clients)}}
	cmd := exec.Command(p.Binary, "serve", "--listen", "127.0.0.1:0", //nolint:gosec,noctx // our own; Stop ends it
		"--data", filepath.Join(dir, "data"), "--allow-target", "127.0.0.0/8", "--log-format", "json")
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

// Stop ends the server and removes its data; what it logged is kept for Syncs.
func (s *Server) Stop() (child.Usage, error) {
	s.client.CloseIdleConnections()
	usage, err := s.child.Stop()
	if closed := s.close(); err != nil || closed != nil {
		return usage, fmt.Errorf("%w\n%s", errors.Join(err, closed), s.words)
	}
	return usage, nil
}

// close keeps the log's last words, and removes the directory.
func (s *Server) close() error {
	text, err := os.ReadFile(s.log.Name())
	const most = 4 << 10
	s.words = strings.TrimSpace(string(text[max(0, len(text)-most):]))
	return errors.Join(err, s.log.Close(), os.RemoveAll(s.dir))
}

var syncs = regexp.MustCompile(`"syncs":(\d+)`)

// Syncs says how many commits the server synced in its life, as it logged when it stopped; it is asked after Stop. None at all is an
// error: then nothing was durable.
func (s *Server) Syncs() (string, error) {
	found := syncs.FindStringSubmatch(s.words)
	if found == nil {
		return "", fmt.Errorf("the server did not log its syncs when it stopped, so they cannot be counted: %.1000s", s.words)
	}
	if n, err := strconv.Atoi(found[1]); err != nil || n == 0 {
		return "", fmt.Errorf("%s syncs: nothing was durable", found[1])
	}
	return found[1] + " syncs", nil
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

// Pending counts the calls of a company that have not ended.
func (s *Server) Pending(ctx context.Context, company string) (int, error) {
	var count int
	query := url.Values{"state": {"pending"}, "limit": {"250"}}
	for {
		var page struct {
			Data       []json.RawMessage `json:"data"`
			NextCursor string            `json:"nextCursor"`
		}
		if err := s.ask(ctx, http.MethodGet, companyPath(company)+"/calls?"+query.Encode(), nil, &page); err != nil {
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
	return s.ask(ctx, http.MethodPost, path, data, into)
}

func (s *Server) ask(ctx context.Context, method, path string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
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
