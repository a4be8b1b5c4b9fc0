package engine

import (
	"context"
	"fmt"
	"strconv"
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

	wireFormat = "1"
	metaFormat = "posthorn-format"
	metaEngine = "posthorn-engine"
	metaEpoch  = "posthorn-epoch"

	maxGather      = 64       // tasks or outcomes in an envelope
	maxGatherBytes = 96 << 10 // of their content: at most 128 KiB once encoded
)

// A task asks a dispatcher for one attempt, and carries all that it needs.
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
}

// A wire names, seals and numbers what one engine puts on the bus.
type wire struct {
	bus    ports.Bus
	sealer sealer
	prefix string
	engine string
	epoch  uint64

	encoding cbor.EncMode
}

// newWire returns a wire whose envelopes are CBOR (RFC 8949): bodies travel as they are, and fields by number, so that a later version
// can add some.
func newWire(bus ports.Bus, s sealer, prefix string, started core.EngineStarted) (*wire, error) {
	encoding, err := cbor.EncOptions{Time: cbor.TimeRFC3339Nano}.EncMode()
	if err != nil {
		return nil, fmt.Errorf("open engine: %w", err)
	}
	return &wire{bus: bus, sealer: s, prefix: prefix, engine: started.Engine, epoch: started.Epoch, encoding: encoding}, nil
}

func (w *wire) topic(name string) string { return w.prefix + "." + w.engine + "." + name }

// purpose binds a sealed body to its topic, engine and epoch.
func (w *wire) purpose(topic, epoch string) string { return topic + "/" + w.engine + "/" + epoch }

func (w *wire) publish(ctx context.Context, name, id string, content any) error {
	data, err := w.encoding.Marshal(content)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	epoch := strconv.FormatUint(w.epoch, 10)
	return w.bus.Publish(ctx, w.topic(name), ports.Envelope{
		ID: id, Body: w.sealer.seal(w.purpose(name, epoch), data),
		Meta: map[string]string{metaFormat: wireFormat, metaEngine: w.engine, metaEpoch: epoch},
	})
}

// read opens an envelope into content and returns its epoch. An error means that it will never be readable here.
func (w *wire) read(name string, e ports.Envelope, content any) (uint64, error) {
	if e.Meta[metaFormat] != wireFormat || e.Meta[metaEngine] != w.engine {
		return 0, fmt.Errorf("envelope %s has format %s of engine %s; this is format %s of %s; look for a stray publisher",
			core.Show(e.ID), core.Show(e.Meta[metaFormat]), core.Show(e.Meta[metaEngine]), wireFormat, w.engine)
	}
	epoch, err := strconv.ParseUint(e.Meta[metaEpoch], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("envelope %s has epoch %s; it is a number; look for a stray publisher", core.Show(e.ID), core.Show(e.Meta[metaEpoch]))
	}
	data, err := w.sealer.open(w.purpose(name, e.Meta[metaEpoch]), e.Body)
	if err != nil {
		return 0, fmt.Errorf("open envelope %s: %w; give all processes the same key", core.Show(e.ID), err)
	}
	if err := cbor.Unmarshal(data, content); err != nil {
		return 0, fmt.Errorf("decode envelope %s: %w", core.Show(e.ID), err)
	}
	return epoch, nil
}

// reject keeps what cannot be read beside its topic, for a person to look at.
func (w *wire) reject(ctx context.Context, name string, e ports.Envelope) error {
	return w.bus.Publish(ctx, w.topic(name)+topicRejected, e)
}
