package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// inOurWords is the transformer that sees every answer of /v1: it turns huma's errors into a problem with our three parts, and notes
// what is our fault.
func (s *server) inOurWords(ctx huma.Context, _ string, v any) (any, error) {
	r, _ := humago.Unwrap(ctx)
	switch p := v.(type) {
	case *problem:
		s.note(r, p)
		return p, nil
	case *huma.ErrorModel:
		ours := translate(p)
		s.note(r, ours)
		return ours, nil
	default:
		return v, nil
	}
}

func translate(m *huma.ErrorModel) *problem {
	switch {
	case m.Status == http.StatusUnsupportedMediaType:
		return refusal(m.Status, codeMediaType, "the body is refused: its Content-Type is not JSON; send Content-Type: application/json")
	case m.Status == http.StatusBadRequest && len(m.Errors) == 0:
		return malformed("the body is empty: the route takes a JSON object; send one")
	case m.Status == http.StatusUnprocessableEntity || m.Status == http.StatusBadRequest:
		faults := make([]fault, len(m.Errors))
		for i, e := range m.Errors {
			faults[i] = faultOf(e)
		}
		slices.SortFunc(faults, func(a, b fault) int { return strings.Compare(a.Location, b.Location) }) // huma walks maps
		return faulty(m.Status, codeInvalid, faults)
	default:
		p := problemOf(fmt.Errorf("%d %s: %v", m.Status, m.Detail, m.Errors), inBody)
		p.Status, p.Title = m.Status, http.StatusText(m.Status)
		return p
	}
}

// faultOf puts huma's words in our order. huma places a missing property at the object that lacks it; we name the property.
func faultOf(e *huma.ErrorDetail) fault {
	if name, ok := between(e.Message, "expected required property ", " to be present"); ok {
		at := e.Location + "." + name
		return fault{at, at + " is missing; the route needs it; add it"}
	}
	if e.Message == "unexpected property" || e.Message == "unknown query parameter" {
		return fault{e.Location, e.Location + " is refused: the route knows no such name; correct it or leave it out"}
	}
	if e.Location == inBody {
		e.Value = nil // all of it, secrets too
	}
	return fault{e.Location, fmt.Sprintf("%s%s is refused: %s; correct it", e.Location, given(e.Value), e.Message)}
}

// unmarshalLoosely lets numbers beyond a float64 through where huma only checks shapes: those of free fields are kept as they were sent, and
// are a client's right. What is read into our own types stays as strict as they are.
func unmarshalLoosely(data []byte, v any) error {
	shape, ok := v.(*any)
	if !ok {
		return json.Unmarshal(data, v)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	err := decoder.Decode(shape)
	*shape = withFloats(*shape)
	return err
}

// withFloats puts the numbers that huma knows in place of those that the decoder kept as text.
func withFloats(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, _ := v.Float64() // beyond its range, the infinity of its side
		return f
	case []any:
		for i := range v {
			v[i] = withFloats(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = withFloats(v[name])
		}
	}
	return v
}

func between(s, before, after string) (string, bool) {
	rest, ok := strings.CutPrefix(s, before)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, after)
}

// given shows a simple value; a whole object or list would bury the message.
func given(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		if v == "" {
			return ""
		}
		return " " + show(v)
	case bool, float64:
		return " " + show(fmt.Sprint(v))
	default:
		return ""
	}
}
