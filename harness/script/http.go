package script

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// pollEvery is the pause between two requests of a verb that waits for a state behind an HTTP API.
const pollEvery = 20 * time.Millisecond

// maxAnswer is how much of an answer a verb reads.
const maxAnswer = 64 << 20

func (s *session) http(ts *testscript.TestScript, _ bool, args []string) error {
	var body, file, template string
	headers := pairs{separator: ":"}
	fs := newFlags()
	fs.Var(&headers, "H", "")
	fs.StringVar(&body, "d", "", "")
	fs.StringVar(&file, "f", "", "")
	fs.StringVar(&template, "e", "", "")
	if err := parse(fs, args, 3, 3); err != nil {
		return err
	}
	switch {
	case file != "":
		body = ts.ReadFile(file)
	case template != "":
		body = expand(ts, ts.ReadFile(template))
	}
	ctx, cancel := within(s.within)
	defer cancel()
	got, err := s.request(ctx, fs.Arg(0), address(ts, fs.Arg(1)), body, headers.all)
	if err != nil {
		return err
	}
	if err := got.show(ts); err != nil {
		return err
	}
	if want := fs.Arg(2); !statusIs(got.status, want) {
		return fmt.Errorf("status %d, not %s", got.status, want)
	}
	return nil
}

// A response is an answer that has been read.
type response struct {
	status int
	header http.Header
	body   string
}

// show puts the body on stdout, as it is, and the headers on stderr.
func (r *response) show(ts *testscript.TestScript) error {
	if _, err := io.WriteString(ts.Stdout(), r.body); err != nil {
		return err
	}
	return r.header.Write(ts.Stderr())
}

// statusIs compares with a number, or with a class such as 2xx.
func statusIs(status int, want string) bool {
	text := fmt.Sprint(status)
	if class, ok := strings.CutSuffix(want, "xx"); ok {
		return strings.HasPrefix(text, class) && len(want) == 3
	}
	return text == want
}

func address(ts *testscript.TestScript, target string) string {
	if strings.HasPrefix(target, "/") {
		return ts.Getenv("ENGINE_URL") + target
	}
	return target
}

func (s *session) request(ctx context.Context, method, url, body string, headers [][2]string) (*response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, h := range headers {
		req.Header.Add(h[0], h[1])
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	return &response{resp.StatusCode, resp.Header, string(text)}, nil
}

func (s *session) awaitHTTP(ts *testscript.TestScript, _ bool, args []string) error {
	var bound time.Duration
	headers := pairs{separator: ":"}
	fs := newFlags()
	fs.DurationVar(&bound, "within", s.within, "")
	fs.Var(&headers, "H", "")
	if err := parse(fs, args, 3, 5); err != nil {
		return err
	}
	c, err := parseCondition(fs.Args()[2:])
	if err != nil {
		return err
	}
	ctx, cancel := within(bound)
	defer cancel()
	var last string
	err = poll(ctx, func() error {
		got, err := s.request(ctx, fs.Arg(0), address(ts, fs.Arg(1)), "", headers.all)
		if err != nil {
			return err
		}
		last = fmt.Sprintf("%d %.1000s", got.status, got.body)
		if err := c.holds(got.body); err != nil {
			return err
		}
		return got.show(ts)
	})
	if err != nil {
		return fmt.Errorf("within %v: %w\nlast answer: %s", bound, err, last)
	}
	return nil
}

// poll repeats try until it returns nil or ctx ends, and then returns the last error that the end did not cause.
func poll(ctx context.Context, try func() error) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	var last error
	for {
		err := try()
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return last
		}
	}
}
