package script

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

func (s *session) json(ts *testscript.TestScript, neg bool, args []string) error {
	var file string
	fs := newFlags()
	fs.StringVar(&file, "f", "stdout", "")
	if err := parse(fs, args, 1, 3); err != nil {
		return err
	}
	text := ts.ReadFile(file)
	if fs.NArg() == 3 && fs.Arg(1) == "as" {
		if neg {
			return errors.New("! does not go with as")
		}
		value, err := textAt(text, fs.Arg(0))
		if err != nil {
			return err
		}
		ts.Setenv(fs.Arg(2), value)
		return nil
	}
	c, err := parseCondition(fs.Args())
	if err != nil {
		return err
	}
	switch err := c.holds(text); {
	case neg && err == nil:
		return fmt.Errorf("%s is so in %.500s", strings.Join(args, " "), text)
	case !neg:
		return err
	}
	return nil
}

// A condition is what json and await-http ask of a document.
type condition struct {
	expr  string
	check func(value any) error
}

func parseCondition(args []string) (*condition, error) {
	c := &condition{expr: args[0], check: func(any) error { return nil }}
	if len(args) == 1 {
		return c, nil
	}
	if len(args) != 3 {
		return nil, errors.New("want EXPR, or EXPR with: is VALUE, matches REGEX, length N")
	}
	word, want := args[1], args[2]
	switch word {
	case "is":
		c.check = func(v any) error { return check(asText(v) == want, v, "is not", want) }
	case "matches":
		re, err := regexp.Compile(want)
		if err != nil {
			return nil, err
		}
		c.check = func(v any) error { return check(re.MatchString(asText(v)), v, "does not match", want) }
	case "length":
		n, err := strconv.Atoi(want)
		if err != nil {
			return nil, err
		}
		c.check = func(v any) error { return check(length(v) == n, v, "has not length", want) }
	default:
		return nil, fmt.Errorf("%q is none of is, matches, length", word)
	}
	return c, nil
}

func check(ok bool, v any, verdict, want string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%.500s %s %q", asText(v), verdict, want)
}

func (c *condition) holds(text string) error {
	v, err := lookup(text, c.expr)
	if err != nil {
		return err
	}
	if err := c.check(v); err != nil {
		return fmt.Errorf("%s: %w", c.expr, err)
	}
	return nil
}

func textAt(text, expr string) (string, error) {
	v, err := lookup(text, expr)
	return asText(v), err
}

// lookup follows a dotted path of members and indexes. Numbers stay as they were written.
func lookup(text, expr string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON (%w): %.200q", err, text)
	}
	if expr == "." {
		return v, nil
	}
	for step := range strings.SplitSeq(expr, ".") {
		next, ok := child(v, step)
		if !ok {
			return nil, fmt.Errorf("%s: there is no %q in %.500s", expr, step, asText(v))
		}
		v = next
	}
	return v, nil
}

func child(v any, step string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		member, ok := v[step]
		return member, ok
	case []any:
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 || i >= len(v) {
			return nil, false
		}
		return v[i], true
	}
	return nil, false
}

func length(v any) int {
	switch v := v.(type) {
	case map[string]any:
		return len(v)
	case []any:
		return len(v)
	case string:
		return len(v)
	}
	return -1
}

// asText is a string as it is, anything else as compact JSON with <, > and & unescaped.
func asText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
