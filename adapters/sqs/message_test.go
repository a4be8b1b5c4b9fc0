package sqs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"pgregory.net/rapid"
)

// sent makes what SQS hands out of what was encoded.
func sent(body string, attributes map[string]types.MessageAttributeValue) types.Message {
	return types.Message{MessageId: aws.String("given by SQS"), Body: &body, MessageAttributes: attributes}
}

func attributes(meta map[string]string) map[string]types.MessageAttributeValue {
	all := map[string]types.MessageAttributeValue{}
	for name, value := range meta {
		all[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	return all
}

// Whatever a message holds, SQS takes it (its rules, written again here), and it comes out as it was.
func TestAnyMessageGoesThrough(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := message.NewMessage(rapid.String().Draw(t, "id"), rapid.OneOf(
			rapid.SliceOf(rapid.Byte()), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) })).Draw(t, "body"))
		m.Metadata = rapid.MapOfN(rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-z._-]{0,12}`)), rapid.String(), 0, 5).Draw(t, "meta")

		for i := range rapid.IntRange(0, 14).Draw(t, "more") {
			m.Metadata[fmt.Sprintf("more-%d", i)] = "x"
		}
		body, attributes, err := encode(m)
		if err != nil {
			t.Fatal(err)
		}
		if body == "" || !utf8.ValidString(body) || len(attributes) > 10 || strings.ContainsFunc(body, forbidden) {
			t.Fatalf("SQS refuses body %q with %d attributes", body, len(attributes))
		}
		for name, a := range attributes {
			begin := strings.ToLower(name)
			switch {
			case *a.StringValue == "", strings.ContainsFunc(*a.StringValue, func(r rune) bool { return forbidden(r) && r != '\uFFFE' && r != '\uFFFF' }),
				strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.") != "", name == "", strings.Contains(name, ".."),
				name[0] == '.', name[len(name)-1] == '.', strings.HasPrefix(begin, "aws."), strings.HasPrefix(begin, "amazon."):
				t.Fatalf("SQS refuses attribute %q = %q", name, *a.StringValue)
			}
		}
		got := decode(sent(body, attributes))
		want := m.UUID
		if want == "" {
			want = "given by SQS"
		}
		if got.UUID != want || string(got.Payload) != string(m.Payload) || !maps.Equal(got.Metadata, m.Metadata) {
			t.Fatalf("came out as %q %q %q", got.UUID, got.Payload, got.Metadata)
		}
	})
}

// forbidden are the characters that SQS takes nowhere, by its documentation.
func forbidden(r rune) bool {
	allowed := r == 0x9 || r == 0xA || r == 0xD || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
	return !allowed
}

func TestTextGoesAsItIs(t *testing.T) {
	t.Parallel()
	m := message.NewMessage("1", []byte(`{"name":"Zoë"}`))
	m.Metadata = message.Metadata{"format": "1", "Upper": "x", "empty": ""}
	body, attributes, err := encode(m)
	if err != nil {
		t.Fatal(err)
	}
	if body != `{"name":"Zoë"}` {
		t.Errorf("body is %s", body)
	}
	want := map[string]string{"posthorn-id": "1", "format": "1", "posthorn-meta": `{"Upper":"x","empty":""}`}
	if len(attributes) != len(want) {
		t.Errorf("attributes are %v", slices.Sorted(maps.Keys(attributes)))
	}
	n := len(body)
	for name, value := range want {
		if got := aws.ToString(attributes[name].StringValue); got != value {
			t.Errorf("attribute %s is %q, want %q", name, got, value)
		}
		n += len(name) + len("String") + len(value)
	}
	if got := size(body, attributes); got != n {
		t.Errorf("size is %d, want %d", got, n)
	}
}

func TestMessagesFromElsewhere(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		in         types.Message
		id, body   string
		meta, keep string
	}{
		{"plain", sent("hello", nil), "given by SQS", "hello", "map[]", ""},
		{"other names and types", sent("{}", map[string]types.MessageAttributeValue{
			"Ce-Type": {DataType: aws.String("String"), StringValue: aws.String("a")},
			"count":   {DataType: aws.String("Number"), StringValue: aws.String("7")},
			"raw":     {DataType: aws.String("Binary"), BinaryValue: []byte("bytes")},
		}), "given by SQS", "{}", "map[ce-type:a count:7 raw:bytes]", ""},
		{"no base64", sent("%%%", attributes(map[string]string{"posthorn-id": "7", "posthorn-encoding": "base64"})), "7", "%%%", "map[]", ""},
		{"an encoding of the future", sent("x", attributes(map[string]string{"posthorn-encoding": "zip"})), "given by SQS", "x", "map[]", ""},
		{"no JSON", sent("x", attributes(map[string]string{"posthorn-meta": "{", "a": "b"})), "given by SQS", "x", "map[a:b]", ""},
		{"forged names", sent("x", attributes(map[string]string{"posthorn-meta": `{"posthorn-meta":"y","posthorn-id":"9"}`})), "9", "x", "map[]", ""},
		{"nothing at all", types.Message{}, "", "", "map[]", ""},
	} {
		got := decode(test.in)
		if got.UUID != test.id || string(got.Payload) != test.body || fmt.Sprint(got.Metadata) != test.meta {
			t.Errorf("%s: came as %q %q %v, want %q %q %s", test.name, got.UUID, got.Payload, got.Metadata, test.id, test.body, test.meta)
		}
		if _, _, err := encode(got); err != nil {
			t.Errorf("%s: cannot be passed on: %v", test.name, err)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"posthorn-id": `message 1 refused: its metadata has the reserved name "posthorn-id"; use another name`,
		"not\xfftext": `message 1 refused: its metadata "not\xfftext" are not UTF-8; encode them as text`,
	} {
		m := message.NewMessage("1", nil)
		m.Metadata[name] = "x"
		if _, _, err := encode(m); err == nil || err.Error() != want {
			t.Errorf("encode = %v, want %s", err, want)
		}
	}
}
