package filter_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"posthorn/engine/filter"
)

// TestExamplesOfThePage: docs/filters.md says what is true.
func TestExamplesOfThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/filters.md")
	if err != nil {
		t.Fatal(err)
	}
	messages := regexp.MustCompile("(?s)for this message.*?```json\n(.*?)```").FindStringSubmatch(string(page))
	if messages == nil {
		t.Fatal("the page has no message")
	}
	m := filter.Message{EventType: "invoice.paid", Data: json.RawMessage(messages[1])}
	var examples int
	for _, block := range regexp.MustCompile("(?s)```cel\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		for line := range strings.Lines(block[1]) {
			examples++
			text := strings.TrimSpace(line)
			want := strings.HasSuffix(text, "// true")
			if !want && !strings.HasSuffix(text, "// false") {
				t.Errorf("%q does not say what it is", text)
			}
			if got := judge(text, m); got != want {
				t.Errorf("%q is %v", text, got)
			}
		}
	}
	if examples < 12 {
		t.Errorf("the page has %d examples, at least 12", examples)
	}
}

// TestFiguresOfThePage: so it does of lists and texts.
func TestFiguresOfThePage(t *testing.T) {
	t.Parallel()
	items := strings.Repeat(`{"a":1},`, 800) + `{"a":2}`
	numbers := strings.Repeat("1,", 9_000) + "2"
	m := filter.Message{Data: json.RawMessage(`{"items":[` + items + `],"numbers":[` + numbers + `],"text":"` + strings.Repeat("a", 500<<10) + `b"}`)}
	for _, text := range []string{"data.items.exists(i, i.a == 2)", "2 in data.numbers", "data.text.contains('ab')"} {
		if got := judge(text, m); got != true {
			t.Errorf("%q is %v, want true", text, got)
		}
	}
}
