package httpclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"posthorn/engine"
	"posthorn/ports"
)

// maxProblem bounds what is read of an answer that is an error: it may come from anything that stands between.
const maxProblem = 1 << 20

// A problem is what an error answers: of /v1 as in RFC 9457, of the replaced routes with an error or a list of details.
type problem struct {
	Code    string           `json:"code"`
	Detail  string           `json:"detail"`
	Errors  json.RawMessage  `json:"errors"`
	Error   json.RawMessage  `json:"error"`
	Details []engine.Problem `json:"details"`
}

type fault struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

// problem turns an error's answer into the error that the engine gave, and closes the body.
func (c *Client) problem(r request, answer *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxProblem))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return fmt.Errorf("%s %s answered %d: read the problem: %w", r.method, c.base+r.path, answer.StatusCode, err)
	}
	return problemOf(r.method+" "+c.base+r.path, answer.StatusCode, text)
}

func problemOf(what string, status int, text []byte) error {
	var p problem
	if json.Unmarshal(text, &p) != nil {
		p = problem{}
	}
	if invalid := p.invalid(); status == http.StatusUnprocessableEntity && invalid != nil {
		return invalid
	}
	detail := p.text()
	if detail == "" {
		detail = fmt.Sprintf("%s answered %d without a problem's text; check the address", what, status)
	}
	sentinel := sentinelOf(p.Code, status)
	if sentinel == nil {
		return fmt.Errorf("%s (status %d)", detail, status)
	}
	return &told{detail, sentinel}
}

// A told error has the server's words, and matches the sentinel that they were made from.
type told struct {
	text string
	is   error
}

func (e *told) Error() string { return e.text }
func (e *told) Unwrap() error { return e.is }

// sentinelOf reads the code, or the status where none was given: the replaced routes give none.
func sentinelOf(code string, status int) error {
	switch code {
	case "not_found":
		return ports.ErrNotFound
	case "conflict":
		return ports.ErrConflict
	case "too_large":
		return ports.ErrTooLarge
	case "overloaded", "rate_limited":
		return ports.ErrOverloaded
	case "closed":
		return ports.ErrClosed
	case "outcome_unknown":
		return ports.ErrUnknownOutcome
	case "disk_low":
		return ports.ErrDiskLow
	}
	switch status {
	case http.StatusNotFound:
		return ports.ErrNotFound
	case http.StatusConflict:
		return ports.ErrConflict
	case http.StatusRequestEntityTooLarge:
		return ports.ErrTooLarge
	case http.StatusInsufficientStorage:
		return ports.ErrDiskLow
	default:
		return nil
	}
}

func (p problem) text() string {
	var text string
	if p.Detail != "" {
		return p.Detail
	}
	if json.Unmarshal(p.Error, &text) != nil {
		return ""
	}
	return text
}

func (p problem) invalid() error {
	problems := p.Details
	var faults []fault
	if json.Unmarshal(p.Errors, &faults) == nil {
		for _, f := range faults {
			problems = append(problems, engine.Problem{Field: field(f.Location), Text: f.Message})
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return &engine.InvalidError{Problems: problems}
}

// field turns a place in the request back into the core's name of the field.
func field(location string) string {
	switch location {
	case "header.Idempotency-Key":
		return "idempotencyKey"
	case "body":
		return "fields"
	}
	_, name, ok := strings.Cut(location, ".")
	if !ok {
		return location
	}
	return name
}
