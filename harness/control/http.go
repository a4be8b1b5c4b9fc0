package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
)

// maxBody is how much of a request's body is read.
const maxBody = 1 << 20

// A refusal is an error with the status that it is answered with.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// answering turns a function into a handler: a value is answered as JSON, nil as nothing, an error as problem details.
func answering(serve func(*http.Request) (status int, value any, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch status, value, err := serve(r); {
		case err != nil:
			problem(w, err)
		case value == nil:
			w.WriteHeader(status)
		default:
			write(w, "application/json", status, value)
		}
	})
}

func problem(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if r, ok := errors.AsType[*refusal](err); ok {
		status = r.status
	}
	write(w, "application/problem+json", status, struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, err.Error()})
}

func write(w http.ResponseWriter, contentType string, status int, value any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
}

// query reads the parameters of a request. One that is not known is refused: a misspelt filter would answer another question.
func query(r *http.Request, known ...string) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("the query is refused: %w; escape what is not a letter or a digit", err)
	}
	for name := range values {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("query parameter %.40q is refused: %s does not know it; it knows %q", name, r.URL.Path, known)
		}
	}
	return values, nil
}

// body decodes a request's JSON. A member that is not known is refused.
func body(r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the object")
		}
	}
	if err != nil {
		return fmt.Errorf("the body is refused: %w; see the documentation of the control API", err)
	}
	return nil
}
