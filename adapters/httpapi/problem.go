package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
)

// A problem is an error as /v1 answers it: the problem details of RFC 9457, with two members more.
type problem struct {
	Title  string `json:"title"  doc:"The status as text"`
	Status int    `json:"status" doc:"The HTTP status"`
	Code   string `json:"code"   doc:"What kind of problem it is, for programs; the codes are not renamed"`
	Detail string `json:"detail" doc:"What was refused, why, and what to do"`
	// Errors holds one entry for each fault of the request.
	Errors []fault `json:"errors,omitempty" doc:"The faults of the request, one by one"`

	retryAfter int // seconds; 0 sends no header
	cause      error
}

// A fault is one fault of a request, with its place.
type fault struct {
	Location string `json:"location" doc:"Where the fault is, such as body.url, query.limit or path.company"`
	Message  string `json:"message"  doc:"What was refused, why, and what to do"`
}

// Error returns the detail.
func (p *problem) Error() string { return p.Detail }

// GetStatus is asked by huma.
func (p *problem) GetStatus() int { return p.Status }

// ContentType is asked by huma.
func (*problem) ContentType(string) string { return problemJSON }

// GetHeaders is asked by huma.
func (p *problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="posthorn"`)
	}
	return h
}

const problemJSON = "application/problem+json"

// The codes. Clients match on them, so they are never renamed.
const (
	codeInvalid     = "invalid"
	codeNotFound    = "not_found"
	codeConflict    = "conflict"
	codeTooLarge    = "too_large"
	codeOverloaded  = "overloaded"
	codeClosed      = "closed"
	codeUnknown     = "outcome_unknown"
	codeDiskLow     = "disk_low"
	codeInternal    = "internal"
	codeMalformed   = "malformed"
	codeMediaType   = "unsupported_media_type"
	codeMethod      = "method_not_allowed"
	codeSlow        = "request_timeout"
	codeUnauthorize = "unauthorized"
	codeForbidden   = "forbidden"
	codeRate        = "rate_limited"
)

// An answer says how a sentinel is told. An empty text means that the error's own is fit for the client; where one is given, the
// error may name what is the operator's to know.
type answer struct {
	is         error
	status     int
	code       string
	text       string
	retryAfter int
}

// answers is the one table from errors to statuses; what is not in it is a 500.
func answers() []answer {
	return []answer{
		{ports.ErrNotFound, http.StatusNotFound, codeNotFound, "", 0},
		{ports.ErrConflict, http.StatusConflict, codeConflict, "", 0},
		{ports.ErrTooLarge, http.StatusRequestEntityTooLarge, codeTooLarge, "", 0},
		{
			ports.ErrOverloaded, http.StatusServiceUnavailable, codeOverloaded,
			"the request was not taken: too much waits already; send it again in a second", 1,
		},
		{
			ports.ErrClosed, http.StatusServiceUnavailable, codeClosed,
			"the request was not taken: the engine is stopping or has stopped; send it again when it is back", 0,
		},
		{
			ports.ErrUnknownOutcome, http.StatusServiceUnavailable, codeUnknown,
			"the request may have been stored or not: a write failed; repeat it with the same Idempotency-Key", 0,
		},
		{
			ports.ErrDiskLow, http.StatusInsufficientStorage, codeDiskLow,
			"the request was not taken: free disk space is below the floor; free some, then send it again", 0,
		},
		{
			context.Canceled, http.StatusServiceUnavailable, codeUnknown,
			"the request may have been stored or not: it was given up before its answer; repeat it with the same Idempotency-Key", 0,
		},
		{
			context.DeadlineExceeded, http.StatusServiceUnavailable, codeUnknown,
			"the request may have been stored or not: its time ended before its answer; repeat it with the same Idempotency-Key", 0,
		},
	}
}

// Where the fields of a request stand that are in neither its path nor its headers.
const (
	inBody  = "body"
	inQuery = "query"
)

func problemOf(err error, fieldsIn string) *problem {
	if already, ok := errors.AsType[*problem](err); ok {
		return already
	}
	if invalid, ok := errors.AsType[*engine.InvalidError](err); ok {
		return invalidProblem(invalid.Problems, fieldsIn)
	}
	for _, a := range answers() {
		if !errors.Is(err, a.is) {
			continue
		}
		text := a.text
		if text == "" {
			text = err.Error()
		}
		return &problem{
			Title: http.StatusText(a.status), Status: a.status, Code: a.code, Detail: text, retryAfter: a.retryAfter, cause: err,
		}
	}
	p := refusal(http.StatusInternalServerError, codeInternal,
		"the request failed: the fault is ours and stands in the engine's log; repeat it with the same Idempotency-Key, or report it")
	p.cause = err
	return p
}

func refusal(status int, code, format string, args ...any) *problem {
	return &problem{Title: http.StatusText(status), Status: status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

func invalidProblem(problems []engine.Problem, fieldsIn string) *problem {
	faults := make([]fault, len(problems))
	for i, p := range problems {
		faults[i] = fault{Location: location(p.Field, fieldsIn), Message: p.Text}
	}
	return faulty(http.StatusUnprocessableEntity, codeInvalid, faults)
}

func faulty(status int, code string, faults []fault) *problem {
	texts := make([]string, len(faults))
	for i, f := range faults {
		texts[i] = f.Message
	}
	p := refusal(status, code, "%s", strings.Join(texts, "; "))
	p.Errors = faults
	return p
}

// location turns the core's name of a field into its place in the request. Package httpclient turns it back.
func location(field, fieldsIn string) string {
	switch field {
	case "company":
		return "path.company"
	case "idempotencyKey":
		return "header.Idempotency-Key"
	case "fields": // the body as a whole is the profile
		return fieldsIn
	default:
		return fieldsIn + "." + field
	}
}

func writeProblem(w http.ResponseWriter, p *problem) {
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", problemJSON)
	writeBytes(w, p.Status, toJSON(p))
}

// note logs what is our fault. Errors hold no secrets, and bodies are not logged.
func (s *server) note(r *http.Request, p *problem) {
	if p.Status != http.StatusInternalServerError || p.cause == nil {
		return
	}
	s.log.ErrorContext(r.Context(), "request failed", "method", r.Method, "route", r.Pattern, "error", p.cause)
}

func show(value string) string { return core.Show(value) }

// toJSON writes values of our own types, which can all be written.
func toJSON(v any) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // payloads and urls as they were sent
	if err := encoder.Encode(v); err != nil {
		panic(fmt.Errorf("write an answer: %w", err))
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	writeBytes(w, status, body)
}

func writeBytes(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone away needs no answer
}
