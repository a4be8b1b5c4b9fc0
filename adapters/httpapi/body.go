package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"unicode/utf8"
)

// bodies reads request bodies into buffers that are used again.
type bodies struct {
	max  int64
	pool sync.Pool
}

// keptBuffer is the largest buffer that goes back into the pool: a rare large body must not stay in memory for ever.
const keptBuffer = 64 << 10

func newBodies(most int64) *bodies {
	return &bodies{max: most, pool: sync.Pool{New: func() any { return new(bytes.Buffer) }}}
}

// read returns the body as a JSON text: within the limit, in UTF-8. Whoever takes the buffer gives it back with done, and keeps
// nothing of it. The error is a *problem.
func (b *bodies) read(r *http.Request) (*bytes.Buffer, error) {
	if r.ContentLength > b.max {
		return nil, b.tooLarge()
	}
	buf, _ := b.pool.Get().(*bytes.Buffer)
	if _, err := buf.ReadFrom(io.LimitReader(r.Body, b.max+1)); err != nil {
		b.done(buf)
		return nil, cutShort(err)
	}
	if int64(buf.Len()) > b.max {
		b.done(buf)
		return nil, b.tooLarge()
	}
	if !utf8.Valid(buf.Bytes()) {
		p := malformed("the body is refused: byte %d is not UTF-8, which JSON is written in; encode it so", invalidByte(buf.Bytes()))
		b.done(buf)
		return nil, p
	}
	return buf, nil
}

func (b *bodies) done(buf *bytes.Buffer) {
	if buf.Cap() <= keptBuffer {
		buf.Reset()
		b.pool.Put(buf)
	}
}

func (b *bodies) tooLarge() *problem {
	return refusal(http.StatusRequestEntityTooLarge, codeTooLarge,
		"the body is refused: it has more than %d bytes, the most that is taken; send less, or a link", b.max)
}

func cutShort(err error) *problem {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return refusal(http.StatusRequestTimeout, codeSlow, "the body is refused: it did not arrive in time; send the request again")
	}
	p := malformed("the body is refused: it ended before its announced end; send the request again")
	p.cause = err
	return p
}

func malformed(format string, args ...any) *problem {
	return refusal(http.StatusBadRequest, codeMalformed, format, args...)
}

// invalidByte counts from 1.
func invalidByte(b []byte) int {
	at := 0
	for at < len(b) {
		r, size := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		at += size
	}
	return at + 1
}

// decodeObject reads a JSON object whose values are kept as they are. Of a name that stands twice the last value holds, as in
// JavaScript. The error is a *problem.
func decodeObject(raw []byte) (map[string]json.RawMessage, error) {
	if err := objectBegins(raw); err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, notJSON(err)
	}
	return fields, nil
}

// checkObject refuses what decodeObject would refuse.
func checkObject(raw []byte) error {
	if err := objectBegins(raw); err != nil {
		return err
	}
	var whole json.RawMessage
	if err := json.Unmarshal(raw, &whole); err != nil {
		return notJSON(err)
	}
	return nil
}

func objectBegins(raw []byte) error {
	trimmed := bytes.TrimLeft(raw, " \t\r\n")
	switch {
	case len(trimmed) == 0:
		return malformed("the body is empty: the route takes a JSON object; send one")
	case trimmed[0] == '{':
		return nil
	case !json.Valid(raw):
		return notJSON(json.Unmarshal(raw, new(any)))
	default:
		return malformed("the body is refused: it is JSON, but not an object; send one, in braces")
	}
}

func notJSON(err error) *problem {
	at := ""
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = fmt.Sprintf(" at byte %d", syntax.Offset)
	}
	return malformed("the body is refused: it is not JSON, %v%s; correct it", err, at)
}
