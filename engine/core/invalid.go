package core

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"posthorn/ports"
)

// An InvalidError says what is wrong with a command: nothing was stored. Each problem names its field.
type InvalidError struct {
	Problems []Problem
}

// A Problem is one fault of one field.
type Problem struct {
	// Field is the name in the API, such as eventTypes or data.
	Field string `json:"field"`
	// Text has three parts: what was refused with the value, why, what to do.
	Text string `json:"text"`
}

// Error joins the problems' texts.
func (e *InvalidError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.Text
	}
	return "invalid: " + strings.Join(texts, "; ")
}

// problems gathers faults; err is nil while there are none.
type problems []Problem

func (p *problems) add(field, format string, args ...any) {
	*p = append(*p, Problem{Field: field, Text: fmt.Sprintf(format, args...)})
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &InvalidError{Problems: p}
}

// Show quotes a refused value for an error text: cut to 80 bytes, control characters and invalid UTF-8 escaped.
func Show(value string) string {
	const most = 80
	if len(value) > most {
		cut := most
		for cut > most-utf8.UTFMax && !utf8.RuneStart(value[cut]) {
			cut--
		}
		return strconv.Quote(value[:cut]) + "..."
	}
	return strconv.Quote(value)
}

func damaged(what, id string) error {
	return fmt.Errorf("%s %s cannot be read: %w; run `posthorn log verify`", what, Show(id), ports.ErrDamaged)
}

func notFound(what, id string) error {
	return fmt.Errorf("%s %s: %w; list what there is, or check the company", what, Show(id), ports.ErrNotFound)
}

func conflict(format string, args ...any) error {
	return fmt.Errorf(format+" (%w)", append(args, ports.ErrConflict)...)
}

const maxCompany = 128

// checkCompany refuses names that could not stand in a key or a path.
func checkCompany(p *problems, company string) {
	switch {
	case company == "":
		p.add("company", "no company was given; every webhook, candidate and message belongs to one; name it")
	case len(company) > maxCompany:
		p.add("company", "company %s has %d bytes; the most is %d; use a shorter id", Show(company), len(company), maxCompany)
	case !printable(company):
		p.add("company", "company %s holds control characters or invalid UTF-8; an id is plain text; remove them", Show(company))
	}
}

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// maxDepth bounds how deeply arrays and objects from outside may be nested. A body wraps them once more, an answer again; many decoders
// give up at a thousand.
const maxDepth = 128

func checkDepth(p *problems, field string, raw json.RawMessage) {
	if deepest(raw) > maxDepth {
		p.add(field, "%s is nested more than %d deep; receivers could not read it; flatten it", Show(field), maxDepth)
	}
}

// deepest counts the arrays and objects around the innermost value of valid JSON.
func deepest(raw json.RawMessage) (most int) {
	depth, inText := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inText && c == '\\':
			i++ // whatever is escaped does not end the text
		case c == '"':
			inText = !inText
		case inText:
		case c == '[' || c == '{':
			depth++
			most = max(most, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return most
}

const maxIdempotencyKey = 255

func checkIdempotencyKey(p *problems, k string) {
	if len(k) > maxIdempotencyKey || !printable(k) {
		p.add("idempotencyKey", "idempotency key %s is refused; it is 1 to %d bytes of plain text; use a shorter or cleaner key",
			Show(k), maxIdempotencyKey)
	}
}
