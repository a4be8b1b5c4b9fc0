package core

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func nested(depth int) json.RawMessage {
	return json.RawMessage(strings.Repeat("[", depth) + strings.Repeat("]", depth))
}

// What is nested too deeply is refused wherever it could come in: a receiver, or our own answer, could not be written or read with it.
func TestDepth(t *testing.T) {
	t.Parallel()
	for depth, want := range map[int]bool{maxDepth: true, maxDepth + 1: false, 100_000: false} {
		message := NewMessage{Company: "42", EventType: "a.b", Data: nested(depth)}
		if _, err := message.Check(); depth < 10_000 && (err == nil) != want { // json itself refuses 10,000
			t.Errorf("message data %d deep: %v", depth, err)
		}
		candidate := NewCandidate{Company: "42", Email: "a@b.cd", FirstName: "A", LastName: "B", Fields: map[string]any{"x": nested(depth)}}
		if _, err := candidate.Check(); (err == nil) != want {
			t.Errorf("candidate field %d deep: %v", depth, err)
		}
		var invalid *InvalidError
		edit, err := UpdateCandidate("42", "cand_1", map[string]any{"x": nested(depth)})
		if err == nil {
			_, _, err = edit.apply(profile{"email": []byte(`"a@b.cd"`), "firstName": []byte(`"A"`), "lastName": []byte(`"B"`)}, time.Time{})
		}
		if (err == nil) != want || err != nil && !errors.As(err, &invalid) {
			t.Errorf("changed field %d deep: %v", depth, err)
		}
	}
	for text, want := range map[string]int{`1`: 0, `"[[["`: 0, `"\"[["`: 0, `[{"a":[]}]`: 3, `[[],[],[[]]]`: 3, `["\\",[1]]`: 2} {
		if got := deepest(json.RawMessage(text)); got != want {
			t.Errorf("%s is %d deep, want %d", text, got, want)
		}
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	for port, want := range map[string]bool{"": true, "1": true, "65535": true, "0": false, "65536": false, "99999": false} {
		if got := validPort(port); got != want {
			t.Errorf("port %q: %t", port, got)
		}
	}
}
