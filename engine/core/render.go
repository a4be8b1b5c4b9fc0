package core

import "encoding/json"

// Body writes what the receiver gets. It depends on nothing that changes between attempts, so that every attempt sends the same
// bytes.
//
// A message about a resource has the seed's form: resource, resourceId, resourceType, triggeredAt, token, and type. A message with data
// alone has the form that Standard Webhooks recommends: type, timestamp, data. resource and data are JSON, nil where there
// is none.
func Body(c Call, resource, data []byte, secret string) []byte {
	at := FormatTime(c.CreatedAt)
	b := make(body, 0, len(resource)+len(data)+256)
	b.text(`{"type":`, c.EventType)
	if c.Resource != nil {
		b.raw(`,"resource":`, resource)
		b.text(`,"resourceId":`, c.Resource.ID)
		b.text(`,"resourceType":`, c.Resource.Type)
		b.text(`,"triggeredAt":`, at)
	} else {
		b.text(`,"timestamp":`, at)
	}
	if data != nil {
		b.raw(`,"data":`, data)
	}
	if c.Resource != nil {
		b.text(`,"token":`, Token(secret, c.Resource.ID, at))
	}
	return append(b, '}')
}

type body []byte

func (b *body) raw(name string, value []byte) { *b = append(append(*b, name...), value...) }

func (b *body) text(name, value string) { *b = appendText(append(*b, name...), value) }

// appendText writes a text as JSON, as encoding/json does: <, > and & escaped, U+FFFD for invalid UTF-8. Plain text, which is nearly all that
// there is, needs no look at encoding/json.
func appendText(b []byte, text string) []byte {
	if plainText(text) {
		return append(append(append(b, '"'), text...), '"')
	}
	quoted, _ := json.Marshal(text) //nolint:errchkjson // a string can be written
	return append(b, quoted...)
}

// plainText tells whether a text is its own JSON but for the quotes.
func plainText[T string | json.RawMessage](text T) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}
