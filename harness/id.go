package harness

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// IDHeader finds the message's id in a header, for Options.ID. Upper and lower case of the name do not matter.
func IDHeader(name string) func(http.Header, []byte) string {
	name = textproto.CanonicalMIMEHeaderKey(name) // once, and not for each delivery
	return func(header http.Header, _ []byte) string {
		if values := header[name]; len(values) > 0 {
			return values[0]
		}
		return ""
	}
}

// IDPointer finds it in a JSON body at a pointer of RFC 6901, such as /resource/email or /events/0/id, for Options.ID. What stands
// there may be a string, or a number, which is taken as it is written; anything else is no id. Looking for it decodes the whole body.
func IDPointer(pointer string) func(http.Header, []byte) string {
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	steps := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i := range steps {
		steps[i] = unescape.Replace(steps[i])
	}
	return func(_ http.Header, body []byte) string { return idAt(body, steps) }
}

func idAt(body json.RawMessage, steps []string) string {
	for _, step := range steps {
		if body = member(body, step); body == nil {
			return ""
		}
	}
	var id any
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber()
	if decoder.Decode(&id) != nil {
		return ""
	}
	switch id := id.(type) {
	case string:
		return id
	case json.Number:
		return id.String()
	}
	return ""
}

// member is what an object or an array has at a step of a pointer; nil if it has nothing there.
func member(value json.RawMessage, step string) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) == nil {
		return object[step]
	}
	var array []json.RawMessage
	i, err := strconv.Atoi(step)
	if err != nil || json.Unmarshal(value, &array) != nil || i < 0 || i >= len(array) {
		return nil
	}
	return array[i]
}

// ParseID reads what a command line or a file says of Options.ID: header:NAME or json:POINTER.
func ParseID(text string) (func(http.Header, []byte) string, error) {
	switch kind, where, _ := strings.Cut(text, ":"); {
	case kind == "header" && where != "":
		return IDHeader(where), nil
	case kind == "json" && strings.HasPrefix(where, "/"):
		return IDPointer(where), nil
	}
	return nil, fmt.Errorf("id %.100q refused: it does not say where a delivery has its message's id; "+
		"write it as header:webhook-id or as json:/resource/email", text)
}
