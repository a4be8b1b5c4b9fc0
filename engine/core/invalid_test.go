package core

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// faults runs one check and returns the names of the fields that it refuses.
func faults(check func(p *problems)) []string {
	var p problems
	check(&p)
	fields := make([]string, 0, len(p))
	for _, problem := range p {
		fields = append(fields, problem.Field)
	}
	return fields
}

// accepts holds a check against values that it lets through and values that it refuses.
func accepts(t *testing.T, what string, check func(p *problems, value string), good, bad []string) {
	t.Helper()
	for _, value := range good {
		if got := faults(func(p *problems) { check(p, value) }); len(got) > 0 {
			t.Errorf("%s %s is refused", what, Show(value))
		}
	}
	for _, value := range bad {
		if got := faults(func(p *problems) { check(p, value) }); len(got) != 1 {
			t.Errorf("%s %s has %d faults, want 1", what, Show(value), len(got))
		}
	}
}

func long(n int) string { return strings.Repeat("a", n) }

func TestURLs(t *testing.T) {
	t.Parallel()
	accepts(t, "url", checkURL, []string{
		"http://a", "https://a.example", "HTTPS://A.example/Hook?x=1&y=%20#", "http://127.0.0.1:8080/", "http://[::1]:8080/h", "https://é.example/ü",
		"https://a.example/" + long(maxURL-18),
	}, []string{
		"", "a.example", "//a.example/", "/hook", "ftp://a.example/", "file:///etc/passwd", "https:", "https://", "https:///hook", "https:a.example",
		"http://:8080/", "https://user@a.example/", "https://user:pw@a.example/", "https://a.example/#part", "https://a.example/ hook",
		"https://a.example/\n", "https://a.example/\x7f", "https://a.example/\xff", "https://a.example:port/", "https://[::1/", " https://a.example/",
		"https://a.example/" + long(maxURL-17),
	})
}

func TestEventTypes(t *testing.T) {
	t.Parallel()
	names := []string{"x", "invoice.paid", "A-1.b_2.c", "1", "-", long(maxEventType)}
	notNames := []string{"", ".", "x.", ".x", "x..y", "x y", "x/y", "é", "x\n", "x\x00", "*x", "x*", "x.*.y", "*.x", "**", ".*", long(maxEventType + 1)}
	patterns := []string{"*", "invoice.*", "invoice.paid.*"}
	accepts(t, "pattern", func(p *problems, v string) { checkEventTypes(p, []string{v}) }, slices.Concat(names, patterns), notNames)
	check := func(p *problems, v string) {
		_, err := NewMessage{Company: "42", EventType: v, Data: []byte("1")}.Check()
		if invalid := (*InvalidError)(nil); errors.As(err, &invalid) {
			*p = invalid.Problems
		}
	}
	accepts(t, "event type", check, names, slices.Concat(notNames, patterns))

	for n, want := range map[int]int{0: 1, 1: 0, maxEventTypes: 0, maxEventTypes + 1: 1} {
		if got := faults(func(p *problems) { checkEventTypes(p, slices.Repeat([]string{"x"}, n)) }); len(got) != want {
			t.Errorf("%d event types have %d faults, want %d", n, len(got), want)
		}
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	rows := []struct {
		patterns  string
		eventType string
		want      bool
	}{
		{"invoice.paid", "invoice.paid", true},
		{"invoice.paid", "invoice.paid.late", false},
		{"invoice.paid", "invoice", false},
		{"invoice.paid", "Invoice.paid", false},
		{"invoice.*", "invoice.paid", true},
		{"invoice.*", "invoice.paid.late", true},
		{"invoice.*", "invoice", false},
		{"invoice.*", "invoices.paid", false},
		{"*", "anything.at-all", true},
		{"x y invoice.*", "invoice.paid", true},
		{"x y", "invoice.paid", false},
		{"", "invoice.paid", false},
		{"*", TypeCallFailed, false}, // what the engine announces has to be asked for
		{"*", TypeWebhookDisabled, false},
		{"* call.failed", TypeCallFailed, true},
		{"call.*", TypeCallFailed, true},
		{"webhook.*", TypeCallFailed, false},
		{"webhook.*", TypeWebhookFailing, true},
		{"webhook.*", TypeWebhookDisabled, true},
	}
	for _, r := range rows {
		if got := (Settings{EventTypes: strings.Fields(r.patterns)}).Wants(r.eventType); got != r.want {
			t.Errorf("webhook with %q wants %s: %v, want %v", r.patterns, r.eventType, got, r.want)
		}
	}
}

func TestCompaniesAndKeys(t *testing.T) {
	t.Parallel()
	accepts(t, "company", checkCompany, []string{"42", "a/b c", "é", long(maxCompany)},
		[]string{"", "a\x00b", "a\nb", "\x1f", "\x7f", "\xff", long(maxCompany + 1)})
	accepts(t, "idempotency key", checkIdempotencyKey, []string{"", "inv-7", "é", long(maxIdempotencyKey)},
		[]string{"a\x00b", "\x7f", "\xff", long(maxIdempotencyKey + 1)})
	accepts(t, "job", func(p *problems, v string) { checkWord(p, "job", v) }, []string{"a", "é b", long(maxState)},
		[]string{"", "a\nb", "\xff", long(maxState + 1)})
	accepts(t, "description", func(p *problems, v string) {
		checkSettings(p, Settings{URL: "https://a.example/", EventTypes: []string{"*"}, Timeout: Duration(time.Second), Description: v})
	}, []string{"", "books & more", long(maxDescription)}, []string{"a\nb", "\xff", long(maxDescription + 1)})
	accepts(t, "resource", func(p *problems, v string) { checkResource(p, "candidate", v) }, []string{"cand_1", long(maxResource)},
		[]string{"", "a\x00b", "\xff", long(maxResource + 1)})
	accepts(t, "resource type", func(p *problems, v string) { checkResource(p, v, "cand_1") }, []string{"candidate", long(maxResource)},
		[]string{"", "a\x00b", "\xff", long(maxResource + 1)})
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	rows := []struct {
		waits   []time.Duration
		timeout time.Duration
		want    int
	}{
		{nil, time.Second, 0},
		{[]time.Duration{1, maxDelay}, minTimeout, 0},
		{slices.Repeat([]time.Duration{1}, maxSchedule), maxTimeout, 0},
		{slices.Repeat([]time.Duration{1}, maxSchedule+1), maxTimeout, 1},
		{[]time.Duration{0, -1, maxDelay + 1, math.MinInt64}, time.Second, 4},
		{nil, minTimeout - 1, 1},
		{nil, maxTimeout + 1, 1},
		{nil, -1, 1},
		{nil, 0, 1},
	}
	for _, r := range rows {
		if got := faults(func(p *problems) {
			checkPolicy(p, Settings{Schedule: durations(r.waits), Timeout: Duration(r.timeout)})
		}); len(got) != r.want {
			t.Errorf("schedule %v and timeout %v have the faults %v, want %d", r.waits, r.timeout, got, r.want)
		}
	}
}

func TestCandidateFields(t *testing.T) {
	t.Parallel()
	check := func(change func(n *NewCandidate, v string)) func(p *problems, v string) {
		return func(p *problems, v string) {
			n := NewCandidate{Company: "42", Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace"}
			change(&n, v)
			_, err := n.Check()
			if invalid := (*InvalidError)(nil); errors.As(err, &invalid) {
				*p = invalid.Problems
			}
		}
	}
	accepts(t, "email", check(func(n *NewCandidate, v string) { n.Email = v }),
		[]string{"ada@example.com", "a+b@x.y", "o'neil@é.example", long(maxEmail-len("@example.com")) + "@example.com"},
		[]string{
			"", "ada", "@example.com", "ada@", "ada@example", "ada@.", "a b@example.com", "ada@exa mple.com", "ada@a@b.com", "Ada <ada@example.com>",
			"ada@example.com,bo@example.com", "ada@example.com\n", "a\x00da@example.com", long(maxEmail-len("@example.com")+1) + "@example.com",
		})
	for _, set := range []func(n *NewCandidate, v string){
		func(n *NewCandidate, v string) { n.FirstName = v }, func(n *NewCandidate, v string) { n.LastName = v },
	} {
		accepts(t, "name", check(set), []string{"A", "Ådå 2", long(maxName)}, []string{"", long(maxName + 1)})
	}
	const others = len("email" + `"ada@example.com"` + "firstName" + `"Ada"` + "lastName" + `"Lovelace"` + "cv" + `""`)
	accepts(t, "profile", check(func(n *NewCandidate, v string) { n.Fields = map[string]any{"cv": v} }),
		[]string{"", long(maxProfile - others)}, []string{long(maxProfile - others + 1)})
	accepts(t, "company", check(func(n *NewCandidate, v string) { n.Company = v }), []string{"42"}, []string{""})
}

// TestApplicationsAddUp: a profile that is full takes no further application.
func TestApplicationsAddUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(`create-candidate {"company":"42","email":"ada@example.com","firstName":"Ada","lastName":"L","fields":{"cv":"` + long(maxProfile-200) + `"}}`)
	for range 3 {
		got := w.script(`apply-for-job {"company":"42","id":"cand_1","job":"analyst"}`)
		if strings.HasPrefix(got, "invalid fields: the profile has 262") {
			return
		}
	}
	t.Errorf("a profile grew over its limit, to %d bytes", len(w.current("42", "cand_1")))
}

func TestProfileSize(t *testing.T) {
	t.Parallel()
	checked, err := NewCandidate{
		Company: "42", Email: "ada@example.com", FirstName: "Ada", LastName: "L", Fields: map[string]any{"cv": long(1000), "id": long(500)},
	}.Check()
	if want := 1002 + len(`"ada@example.com""Ada""L"`); err != nil || checked.Size() != want {
		t.Errorf("size is %d (%v), want %d", checked.Size(), err, want)
	}
}

func TestFieldsThatAreNoJSON(t *testing.T) {
	t.Parallel()
	fields := map[string]any{"bad": math.NaN()}
	_, created := NewCandidate{Company: "42", Email: "ada@example.com", FirstName: "Ada", LastName: "L", Fields: fields}.Check()
	_, updated := UpdateCandidate("42", "cand_1", fields)
	for _, err := range []error{created, updated} {
		want := "invalid: a profile field cannot be written as JSON: json: unsupported value: NaN; change it"
		if err == nil || err.Error() != want {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                            `""`,
		"plain é":                     `"plain é"`,
		"a\x00\n\x1b[31m\x7f\"":       `"a\x00\n\x1b[31m\x7f\""`,
		"\xff\u202e":                  `"\xff\u202e"`,
		long(80):                      `"` + long(80) + `"`,
		long(81):                      `"` + long(80) + `"...`,
		long(79) + "é":                `"` + long(79) + `"...`,
		strings.Repeat("\x80", 100):   `"` + strings.Repeat(`\x80`, 76) + `"...`,
		long(78) + "\U0001F600" + "b": `"` + long(78) + `"...`,
	} {
		if got := Show(in); got != want {
			t.Errorf("Show(%q) = %s\nwant %s", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		value := string(rapid.SliceOf(rapid.Byte()).Draw(t, "value"))
		got := Show(value)
		if !utf8.ValidString(got) || !printable(got) || len(got) > 4*80+5 {
			t.Fatalf("Show(%q) = %s", value, got)
		}
	})
}

func TestDurationText(t *testing.T) {
	t.Parallel()
	for in, want := range map[time.Duration]string{
		0: "0s", 5 * time.Second: "5s", time.Minute: "1m", 10 * time.Minute: "10m", 90 * time.Second: "1m30s", time.Hour: "1h", 10 * time.Hour: "10h",
		90 * time.Minute: "1h30m", time.Hour + time.Second: "1h0m1s", 1500 * time.Millisecond: "1.5s", -time.Minute: "-1m", maxDelay: "168h",
	} {
		if got := Duration(in).String(); got != want {
			t.Errorf("%v is written %s, want %s", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64().Draw(t, "nanoseconds"))
		text, err := d.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Duration
		if err := back.UnmarshalText(text); err != nil || back != d {
			t.Fatalf("%d is written %s and read as %d, %v", d, text, back, err)
		}
	})
	var d Duration
	if err := d.UnmarshalText([]byte("soon")); err == nil || fmt.Sprint(err) != `duration "soon" is not one; write it like 5s, 2m or 1h30m` {
		t.Errorf("error is %v", err)
	}
}
