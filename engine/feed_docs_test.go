package engine_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"gopkg.in/yaml.v3"
)

// TestEventsSchema: what is published is of docs' schema, and so is the page's example; an event that lacks something is not.
func TestEventsSchema(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../docs/events.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema huma.Schema
	if err := yaml.Unmarshal(raw, &schema); err != nil { // JSON is YAML too
		t.Fatal(err)
	}
	schema.PrecomputeMessages()
	conforms := func(text string) []error {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			return []error{err}
		}
		var result huma.ValidateResult
		huma.Validate(huma.NewMapRegistry("#/", huma.DefaultSchemaNamer), &schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, &result)
		return result.Errors
	}
	published := []string{}
	for _, name := range []string{"events.golden", "events-payloads.golden"} { // held by TestEventsForm
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "{") {
				published = append(published, line)
			}
		}
	}
	page, err := os.ReadFile("../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```json\n")
	example, _, _ = strings.Cut(example, "```")
	if len(published) < 40 {
		t.Fatalf("%d events were published", len(published))
	}
	for _, text := range append(published, example) {
		if errs := conforms(text); len(errs) > 0 {
			t.Errorf("%v in %s", errs, text)
		}
	}
	for _, bad := range []string{`{}`, strings.Replace(example, `"12"`, `"0"`, 1), strings.Replace(example, `"seq": 12, `, "", 1), strings.Replace(example, "posthorn.Call", "Call", 1)} {
		if conforms(bad) == nil {
			t.Errorf("the schema takes %s", bad)
		}
	}
}
