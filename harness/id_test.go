package harness_test

import (
	"net/http"
	"strings"
	"testing"

	"posthorn/harness"
)

func TestParseID(t *testing.T) {
	t.Parallel()
	const body = `{"resource":{"email":"ada@example.com","n":12345678901234567890,"ok":true,"a/b":{"~":"odd"}},"events":[{"id":"e0"},{"id":"e1"}]}`
	cases := []struct{ form, want string }{
		{"header:x-delivery", "d1"},
		{"header:X-Delivery", "d1"},
		{"header:webhook-id", ""},
		{"json:/resource/email", "ada@example.com"},
		{"json:/resource/n", "12345678901234567890"},
		{"json:/events/1/id", "e1"},
		{"json:/resource/a~1b/~0", "odd"},
		{"json:/events/2/id", ""},
		{"json:/events/-1/id", ""},
		{"json:/events/x", ""},
		{"json:/resource", ""},
		{"json:/resource/ok", ""},
		{"json:/resource/email/x", ""},
	}
	for _, c := range cases {
		id, err := harness.ParseID(c.form)
		if err != nil {
			t.Errorf("%s: %v", c.form, err)
			continue
		}
		if got := id(http.Header{"X-Delivery": {"d1"}}, []byte(body)); got != c.want {
			t.Errorf("%s finds %q, want %q", c.form, got, c.want)
		}
	}
	if got := harness.IDPointer("/a")(nil, []byte("not JSON")); got != "" {
		t.Errorf("found %q in what is not JSON", got)
	}
	for _, bad := range []string{"", "webhook-id", "header:", "json:", "json:a", "xml:/a"} {
		if _, err := harness.ParseID(bad); err == nil || !strings.Contains(err.Error(), "write it as header:webhook-id or as json:/resource/email") {
			t.Errorf("ParseID(%q): %v", bad, err)
		}
	}
}
