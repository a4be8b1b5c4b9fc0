package sqs

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Attributes of ours. The names are part of what goes over the wire: they are never changed.
const (
	idAttribute       = "posthorn-id"       // the message's UUID
	encodingAttribute = "posthorn-encoding" // of the body; a body without it is the text that it looks like
	moreAttribute     = "posthorn-meta"     // a JSON object of the metadata that SQS does not take as attributes

	base64Encoding = "base64"
	emptyEncoding  = "empty" // SQS takes no empty body; this one is "-"

	mostAttributes = 10 // of a message, by SQS
	stringType     = "String"
)

func reservedNames() []string { return []string{idAttribute, encodingAttribute, moreAttribute} }

// attributeNames are the metadata names that go as attributes: those that SQS takes, in lower case, for that is what comes out.
var attributeNames = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)

// encode makes a body and attributes of a message. Metadata go as attributes, so that others can read them, as far as SQS takes them.
func encode(m *message.Message) (body string, attributes map[string]types.MessageAttributeValue, err error) {
	meta := maps.Clone(map[string]string(m.Metadata))
	if meta == nil {
		meta = map[string]string{}
	}
	for _, reserved := range reservedNames() {
		if _, taken := meta[reserved]; taken {
			return "", nil, fmt.Errorf("message %s refused: its metadata has the reserved name %q; use another name", m.UUID, reserved)
		}
	}
	if m.UUID != "" {
		meta[idAttribute] = m.UUID
	}
	switch {
	case len(m.Payload) == 0:
		body, meta[encodingAttribute] = "-", emptyEncoding
	case isText(string(m.Payload)):
		body = string(m.Payload)
	default:
		body, meta[encodingAttribute] = base64.StdEncoding.EncodeToString(m.Payload), base64Encoding
	}
	attributes, err = toAttributes(meta)
	if err != nil {
		err = fmt.Errorf("message %s refused: %w", m.UUID, err)
	}
	return body, attributes, err
}

// toAttributes puts what cannot be an attribute of its own into one that holds JSON.
func toAttributes(meta map[string]string) (map[string]types.MessageAttributeValue, error) {
	attributes, more := make(map[string]types.MessageAttributeValue, len(meta)), map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(meta)) {
		if value := meta[name]; mayBeAttribute(name, value) && len(attributes) < mostAttributes-1 {
			attributes[name] = types.MessageAttributeValue{DataType: aws.String(stringType), StringValue: aws.String(value)}
		} else {
			more[name] = value
		}
	}
	if len(more) == 0 {
		return attributes, nil
	}
	text, err := json.Marshal(more)
	if err != nil {
		return nil, err
	}
	for name, value := range more {
		if !utf8.ValidString(name + value) {
			return nil, fmt.Errorf("its metadata %q are not UTF-8; encode them as text", name)
		}
	}
	attributes[moreAttribute] = types.MessageAttributeValue{DataType: aws.String(stringType), StringValue: aws.String(string(text))}
	return attributes, nil
}

func mayBeAttribute(name, value string) bool {
	return value != "" && len(name) <= 256 && attributeNames.MatchString(name) &&
		!strings.HasPrefix(name, "aws.") && !strings.HasPrefix(name, "amazon.") && isText(value)
}

// isText says whether SQS takes s as it is: the characters of XML 1.0.
func isText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\uFFFE' || r == '\uFFFF' {
			return false
		}
	}
	return true
}

// size is what SQS counts of a message: body, and the names, types and values of its attributes.
func size(body string, attributes map[string]types.MessageAttributeValue) int {
	n := len(body)
	for name, a := range attributes {
		n += len(name) + len(*a.DataType) + len(*a.StringValue)
	}
	return n
}

// decode makes a message of what came. It refuses nothing: a body that is not what its encoding says stays as it came, for the handler
// to judge. A message from elsewhere has the id that SQS gave it, which stays the same at each delivery.
func decode(m types.Message) *message.Message {
	meta := message.Metadata{}
	for name, a := range m.MessageAttributes {
		value := aws.ToString(a.StringValue)
		if a.BinaryValue != nil {
			value = string(a.BinaryValue)
		}
		meta[strings.ToLower(name)] = value
	}
	var more map[string]string
	if json.Unmarshal([]byte(meta[moreAttribute]), &more) == nil {
		maps.Copy(meta, more)
	}
	id := meta[idAttribute]
	if id == "" {
		id = aws.ToString(m.MessageId)
	}
	out := message.NewMessage(id, decodeBody(aws.ToString(m.Body), meta[encodingAttribute]))
	for _, reserved := range reservedNames() {
		delete(meta, reserved)
	}
	out.Metadata = meta
	return out
}

func decodeBody(text, encoding string) []byte {
	switch encoding {
	case emptyEncoding:
		return nil
	case base64Encoding:
		if body, err := base64.StdEncoding.DecodeString(text); err == nil {
			return body
		}
	}
	return []byte(text)
}
