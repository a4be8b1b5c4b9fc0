package nats

import (
	"fmt"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
	natsio "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Headers of our own, and those that the server gives a meaning to. They are part of what goes over the wire: they never change.
const (
	headerID     = "posthorn-id"
	serverPrefix = "Nats-"
)

// toNATS makes a message for a subject. Each header is a line there, so a line break within a value becomes a space, and white space
// around a value goes.
func toNATS(topic string, m *message.Message) (*natsio.Msg, error) {
	header := make(natsio.Header, len(m.Metadata)+2)
	for name, value := range m.Metadata {
		if !isName(name) || name == headerID || strings.HasPrefix(name, serverPrefix) {
			return nil, fmt.Errorf("message %s refused: %q cannot be the name of a header of NATS; use letters, digits and hyphens", m.UUID, name)
		}
		header[name] = []string{value}
	}
	if m.UUID != "" {
		header[headerID] = []string{m.UUID}
		header[jetstream.MsgIDHeader] = []string{m.UUID}
	}
	return &natsio.Msg{Subject: topic, Header: header, Data: m.Payload}, nil
}

// isName says whether a header of NATS can have this name: nats.go leaves out those that cannot, without a word.
func isName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

// fromNATS makes a message of what has come. One from elsewhere has the id that its publisher gave it in Nats-Msg-Id, or its place in
// the stream, which is the same at each delivery. Headers that could not be sent on again are left out.
func fromNATS(in jetstream.Msg) *message.Message {
	header := in.Headers()
	id := header.Get(headerID)
	if id == "" {
		id = header.Get(jetstream.MsgIDHeader)
	}
	if id == "" {
		if place, err := in.Metadata(); err == nil {
			id = fmt.Sprintf("%s/%d", place.Stream, place.Sequence.Stream)
		}
	}
	m := message.NewMessage(id, in.Data())
	for name, values := range header {
		if name != headerID && !strings.HasPrefix(name, serverPrefix) && isName(name) {
			m.Metadata[strings.ToLower(name)] = strings.Join(values, ", ")
		}
	}
	return m
}
