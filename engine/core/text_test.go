package core

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTextIsJSON: the short ways for plain text lead to what encoding/json gives.
func TestTextIsJSON(t *testing.T) {
	t.Parallel()
	texts := rapid.OneOf(
		rapid.String(), rapid.StringMatching(`[ -~]*`), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		text := texts.Draw(t, "text")
		want, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendText([]byte("x"), text); string(got) != "x"+string(want) {
			t.Fatalf("%q is written as %s, want %s", text, got[1:], want)
		}
		for _, raw := range []json.RawMessage{want, json.RawMessage(`"` + text + `"`), json.RawMessage(text)} {
			var read string
			if json.Unmarshal(raw, &read) != nil {
				read = ""
			}
			if got := (profile{"f": raw}).text("f"); got != read {
				t.Fatalf("%s is read as %q, want %q", raw, got, read)
			}
		}
		fields, err := encodeFields(map[string]any{text: text, "b": []any{text, 1.5, nil}, "a": map[string]any{text: true}, "": json.RawMessage("[ 1 ]")})
		if err != nil {
			t.Fatal(err)
		}
		if want, err = json.Marshal(fields); err != nil {
			t.Fatal(err)
		}
		body := string(resourceBody("k", "i", fields, time.Time{}))
		if want := `{"id":"i","type":"k",` + string(want[1:len(want)-1]) + `,"createdAt":"0001-01-01T00:00:00.000Z"}`; body != want {
			t.Fatalf("body is %s, want %s", body, want)
		}
	})
}
