package core

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"gopkg.in/yaml.v3"
)

// conforms tells whether JSON is what a schema of docs describes.
func conforms(t *testing.T, schema *huma.Schema, raw []byte) (problems []error) {
	t.Helper()
	var value any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return []error{err}
	}
	var result huma.ValidateResult
	registry := huma.NewMapRegistry("#/", huma.DefaultSchemaNamer)
	huma.Validate(registry, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, &result)
	return result.Errors
}

// readSchema reads a schema of docs; JSON is YAML too.
func readSchema(t *testing.T, name string) *huma.Schema {
	t.Helper()
	raw, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var s huma.Schema
	if err := yaml.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	s.PrecomputeMessages()
	return &s
}

// TestInboxSchema: the schema takes what the inbox takes, and no more than it; the page's examples are of it.
func TestInboxSchema(t *testing.T) {
	t.Parallel()
	schema := readSchema(t, "inbox.schema.json")
	page, err := os.ReadFile("../../docs/inbox.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := strings.Split(string(page), "```json\n")[1:]
	if len(examples) != 3 {
		t.Fatalf("%d examples, want 3", len(examples))
	}
	all := deliveries()
	for _, e := range examples {
		body, _, _ := strings.Cut(e, "```")
		d := delivery{"example", nil, body}
		if got := taken(t, d); !strings.HasPrefix(got, "-> ") {
			t.Errorf("the page's example %s is %s", body, got)
		}
		all = append(all, d)
	}
	// What a schema cannot say, or does not.
	beyond := map[string]bool{
		"an event of our own": true, "an event in bad base64": true, "an event of both kinds of data": true, "an event with an object as attribute": true,
		"too large": true,
	}
	for _, d := range all {
		if _, binary := binaryAttributes(d.meta); binary || beyond[d.name] {
			continue
		}
		problems := conforms(t, schema, []byte(d.body))
		accepted := strings.HasPrefix(taken(t, d), "-> ")
		if accepted != (len(problems) == 0) {
			t.Errorf("%s: accepted %v, by the schema: %v\n%s", d.name, accepted, problems, d.body)
		}
	}
}
