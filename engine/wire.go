package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

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
	Company string        `json:"company"`
	Call    string        `json:"call"`
	Message string        `json:"message"`
	Attempt int           `json:"attempt"`
	Lease   int           `json:"lease"`
	StartBy time.Time     `json:"startBy"`
	URL     string        `json:"url"`
	Timeout time.Duration `json:"timeout"`
	Secret  string        `json:"secret"`
	Body    []byte        `json:"body"`
}

// A wire names, seals and numbers what one engine puts on the bus.
type wire struct {
	bus    ports.Bus
	sealer sealer
	prefix string
	engine string
	epoch  uint64
}

func (w *wire) topic(name string) string { return w.prefix + "." + w.engine + "." + name }

// purpose binds a sealed body to its topic, engine and epoch.
func (w *wire) purpose(topic, epoch string) string { return topic + "/" + w.engine + "/" + epoch }

func (w *wire) publish(ctx context.Context, name, id string, content any) error {
	data, err := json.Marshal(content)
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
	if err := json.Unmarshal(data, content); err != nil {
		return 0, fmt.Errorf("decode envelope %s: %w", core.Show(e.ID), err)
	}
	return epoch, nil
}

// reject keeps what cannot be read beside its topic, for a person to look at.
func (w *wire) reject(ctx context.Context, name string, e ports.Envelope) error {
	return w.bus.Publish(ctx, w.topic(name)+topicRejected, e)
}
