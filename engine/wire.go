package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fxamacker/cbor/v2"

	"posthorn/engine/core"
	"posthorn/ports"
)

// What travels on the bus, and where. An envelope's body is sealed: it holds profiles and secrets.
const (
	topicTasks    = "tasks"
	topicOutcomes = "outcomes"
	topicRejected = ".rejected"

	defaultPrefix = "posthorn"

	wireFormat = "1"
	metaFormat = "posthorn-format"
	metaEngine = "posthorn-engine"
	metaEpoch  = "posthorn-epoch"

	maxGather      = 64       // tasks or outcomes in an envelope
	maxGatherBytes = 96 << 10 // of their content: at most 128 KiB once encoded
)

// A task asks a dispatcher for one attempt, and carries all that it needs. A field's number means the same for ever; a later version may
// add numbers, which an earlier one passes over, and finds zero what an earlier one does not send.
type task struct {
	Company string        `cbor:"1,keyasint"`
	Call    string        `cbor:"2,keyasint"`
	Message string        `cbor:"3,keyasint"`
	Attempt int           `cbor:"4,keyasint"`
	Lease   int           `cbor:"5,keyasint"`
	StartBy time.Time     `cbor:"6,keyasint"`
	URL     string        `cbor:"7,keyasint"`
	Timeout time.Duration `cbor:"8,keyasint"`
	Secret  string        `cbor:"9,keyasint"`
	Body    []byte        `cbor:"10,keyasint"`
	// Older secrets sign beside Secret, each until its time.
	Older []signingSecret `cbor:"11,keyasint,omitempty"`
	// Header is what the webhook adds to the attempt's headers.
	Header map[string]string `cbor:"12,keyasint,omitempty"`
}

// secretsAt lists those that sign an attempt at a time, the newest first.
func (t task) secretsAt(now time.Time) []string {
	out := append(make([]string, 0, 1+len(t.Older)), t.Secret)
	for _, old := range t.Older {
		if now.Before(old.Until) {
			out = append(out, old.Secret)
		}
	}
	return out
}

// An origin is one start of one engine: who asks for attempts, and wants their outcomes.
type origin struct {
	engine string
	epoch  uint64
}

// A wire names, seals and opens what goes over the bus. Engines and dispatchers of one prefix and one key understand each other. Within one
// process it hands over the content as it is: nobody else could read it, and to encode, seal, open and decode each attempt twice was a
// twentieth of the engine's processor time.
type wire struct {
	bus    ports.Bus
	local  bool
	sealer sealer
	prefix string

	encoding cbor.EncMode

	envelopes, bytes atomic.Uint64
}

// Traffic is what a process has put on the bus in its life: envelopes of tasks and of outcomes, and the bytes of their bodies as they
// travel, sealed; within one process there are none. What had to be published again counts again.
type Traffic struct{ Envelopes, Bytes uint64 }

func (w *wire) traffic() Traffic { return Traffic{w.envelopes.Load(), w.bytes.Load()} }

// newWire returns a wire whose envelopes are CBOR (RFC 8949): bodies travel as they are, and fields by number, so that a later version
// can add some.
func newWire(bus ports.Bus, s sealer, prefix string) (*wire, error) {
	encoding, err := cbor.EncOptions{Time: cbor.TimeRFC3339Nano}.EncMode()
	if err != nil {
		return nil, fmt.Errorf("encode envelopes: %w", err)
	}
	if prefix == "" {
		prefix = defaultPrefix
	}
	return &wire{bus: bus, local: isLocal(bus), sealer: s, prefix: prefix, encoding: encoding}, nil
}

// tasks is the topic that all engines and dispatchers share.
func (w *wire) tasks() string { return w.prefix + "." + topicTasks }

// outcomes is the topic that only this engine reads.
func (w *wire) outcomes(engine string) string { return w.prefix + "." + engine + "." + topicOutcomes }

// purpose is what a sealed body is bound to: its format, topic, engine and epoch. Under any others it does not open, so nobody without
// the key can send one engine's envelope as another's, or a task as an outcome. The envelope's id is not in it: the body's nonce, which
// nobody can change either, tells a copy from an original, and some transports give ids of their own.
func purpose(topic string, meta map[string]string) string {
	return strings.Join([]string{meta[metaFormat], topic, meta[metaEngine], meta[metaEpoch]}, "/")
}

// publish leaves content as it is; on a bus within the process the handler gets the same.
func (w *wire) publish(ctx context.Context, topic string, from origin, id string, content any) error {
	meta := map[string]string{metaFormat: wireFormat, metaEngine: from.engine, metaEpoch: strconv.FormatUint(from.epoch, 10)}
	e := ports.Envelope{ID: id, Meta: meta}
	if w.local {
		e.Content = content
	} else {
		data, err := w.encoding.Marshal(content)
		if err != nil {
			return fmt.Errorf("encode for %s: %w", topic, err)
		}
		e.Body = w.sealer.seal(purpose(topic, meta), data)
	}
	w.envelopes.Add(1)
	w.bytes.Add(uint64(len(e.Body)))
	return w.bus.Publish(ctx, topic, e)
}

// read opens an envelope, and returns its content and who asked. An error means that it will never be readable here.
func read[T any](w *wire, topic string, e ports.Envelope) (content T, from origin, err error) {
	if from, err = readOrigin(e); err != nil {
		return content, from, err
	}
	if passed, ok := e.Content.(T); ok {
		return passed, from, nil
	}
	if w.local && len(e.Body) == 0 {
		return content, from, fmt.Errorf("envelope %s holds nothing; a bus that says it is local has to carry an envelope's Content", core.Show(e.ID))
	}
	data, err := w.sealer.open(purpose(topic, e.Meta), e.Body)
	if err != nil {
		return content, from, fmt.Errorf("envelope %s %w; give all processes the same key, or look for a stray publisher", core.Show(e.ID), err)
	}
	if err := cbor.Unmarshal(data, &content); err != nil {
		return content, from, fmt.Errorf("decode envelope %s: %w; run engines and dispatchers of neighbouring versions", core.Show(e.ID), err)
	}
	return content, from, nil
}

// readOrigin refuses an envelope of another format.
func readOrigin(e ports.Envelope) (origin, error) {
	from := origin{engine: e.Meta[metaEngine]}
	if e.Meta[metaFormat] != wireFormat {
		return from, fmt.Errorf("envelope %s has format %s; this version reads %s; run engines and dispatchers of neighbouring versions",
			core.Show(e.ID), core.Show(e.Meta[metaFormat]), wireFormat)
	}
	var err error
	if from.epoch, err = strconv.ParseUint(e.Meta[metaEpoch], 10, 64); err != nil {
		return from, fmt.Errorf("envelope %s has epoch %s; it is a number; look for a stray publisher", core.Show(e.ID), core.Show(e.Meta[metaEpoch]))
	}
	return from, nil
}

// reject keeps what cannot be read beside its topic, for a person to look at.
func (w *wire) reject(ctx context.Context, topic string, e ports.Envelope) error {
	return w.bus.Publish(ctx, topic+topicRejected, e)
}
