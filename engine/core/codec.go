package core

import (
	"fmt"
	"reflect"
	"time"

	"github.com/fxamacker/cbor/v2"

	"posthorn/ports"
)

// A kind is one event type in the log: its number, its name in answers, the version written today, and for every older version the step that
// lifts its fields by one. A number, once written, is never used for anything else; so a type may be renamed without touching a log.
type kind struct {
	number  uint64
	name    string
	version uint64
	goType  reflect.Type
	read    func(data []byte) (Event, error)
	// upcasts[i] lifts version i+1 to i+2; len(upcasts) == version-1.
	upcasts []func(fields) error
}

// fields are an event's, by number, as an older version has written them.
type fields map[uint64]cbor.RawMessage

// A Codec writes entries of events and reads them back, old versions included. It is immutable.
type Codec struct {
	byNumber map[uint64]kind
	byType   map[reflect.Type]kind
}

// NewCodec returns the codec of all events.
func NewCodec() *Codec { return newCodec(kinds()) }

func kinds() []kind {
	return append([]kind{
		kindOf[EngineStarted](1),
		kindOf[WebhookRegistered](2),
		kindOf[WebhookUpdated](3),
		kindOf[WebhookEnabled](4),
		kindOf[WebhookDisabled](5),
		kindOf[WebhookDeleted](6),
		kindOf[MessagePublished](7),
		kindOf[MessageUnmatched](8),
		kindOf[CallsPlanned](9),
		kindOf[CallRequested](10),
		kindOf[CallAttempted](11),
		kindOf[CallSucceeded](12),
		kindOf[CallFailed](13),
		kindOf[CallSkipped](14),
		kindOf[CallCancelled](15),
		kindOf[JobEnded](16),
		kindOf[KeyUsed](17),
		kindOf[KeysExpired](18),
		// 19 to 23 are the candidate's
		kindOf[WebhookHeadersSet](24),
		kindOf[WebhookSecretRotated](25),
		kindOf[WebhookPaused](26),
		kindOf[WebhookResumed](27),
		kindOf[BreakerOpened](28),
		kindOf[BreakerClosed](29),
		kindOf[KeyCreated](30),
		kindOf[KeyRevoked](31),
		kindOf[WebhookResealed](32),
		kindOf[MasterKeyRotated](33),
		kindOf[StreamsPruned](34),
		kindOf[PayloadErased](35),
		kindOf[ReplayStarted](36),
		kindOf[ReplayAdvanced](37),
		kindOf[ReplayPaused](38),
		kindOf[ReplayResumed](39),
		kindOf[ReplayEnded](40),
		kindOf[LogPruned](41),
		kindOf[HealthNoted](42),
	}, candidateKinds()...)
}

// kindOf is the kind of an event that is written as it was first, or is lifted from that by upcasts. The Go name is its name in answers.
func kindOf[E Event](number uint64, upcasts ...func(fields) error) kind {
	goType := reflect.TypeFor[E]()
	return kind{
		number: number, name: goType.Name(), version: uint64(len(upcasts)) + 1, goType: goType, upcasts: upcasts,
		read: func(data []byte) (Event, error) {
			var e E
			err := stored.unmarshal(data, &e)
			return e, err
		},
	}
}

func newCodec(all []kind) *Codec {
	c := &Codec{byNumber: map[uint64]kind{}, byType: map[reflect.Type]kind{}}
	for _, k := range all {
		c.byNumber[k.number] = k
		c.byType[k.goType] = k
	}
	return c
}

// TypeName returns the name of an event's type, as answers show it.
func (c *Codec) TypeName(e Event) string { return c.byType[reflect.TypeOf(e)].name }

// The form of an entry: [time, [[number, version, fields], ...]], and [key, remote] behind them where it is known who asked. D is the
// Event when it is written, its bytes when it is read.
type (
	writtenEntry[D any] struct {
		_      struct{} `cbor:",toarray"`
		At     Stamp
		Events []writtenEvent[D]
	}
	actedEntry[D any] struct {
		_      struct{} `cbor:",toarray"`
		At     Stamp
		Events []writtenEvent[D]
		By     *Actor
	}
	writtenEvent[D any] struct {
		_       struct{} `cbor:",toarray"`
		Number  uint64
		Version uint64
		Data    D
	}
)

// Encode writes the events of one command, decided at one time between 1678 and 2262; by is nil where nobody asked, or it is not known who.
func (c *Codec) Encode(at time.Time, by *Actor, events []Event) ([]byte, error) {
	out := writtenEntry[Event]{At: StampOf(at), Events: make([]writtenEvent[Event], len(events))}
	if !out.At.Time().Equal(at) {
		return nil, fmt.Errorf("encode event: time %s cannot be stored; years are 1678 to 2262; set the clock", at)
	}
	for i, e := range events {
		k, ok := c.byType[reflect.TypeOf(e)]
		if !ok {
			return nil, fmt.Errorf("encode event: %T is not in the codec; add it to kinds", e)
		}
		out.Events[i] = writtenEvent[Event]{Number: k.number, Version: k.version, Data: e}
	}
	if by != nil {
		return stored.Marshal(actedEntry[Event]{At: out.At, Events: out.Events, By: by})
	}
	return stored.Marshal(out)
}

// Decode reads the events of an entry back, without those that were pruned from it: there is always one left. It returns ErrDamaged for
// bytes that no version of this program has written, and says so by number for a type or version that is newer than this program.
func (c *Codec) Decode(entry ports.Entry) ([]Recorded, error) {
	w, err := readEntry(entry.Data)
	if err != nil {
		return nil, fmt.Errorf("decode entry %d: %w: %w; run `posthorn log verify`", entry.Last, ports.ErrDamaged, err)
	}
	if n := uint64(len(w.Events)); n == 0 || entry.Last < entry.First || entry.Last-entry.First != n-1 {
		return nil, fmt.Errorf("decode entry %d: %w: it holds %d events for the places %d to %d; run `posthorn log verify`",
			entry.Last, ports.ErrDamaged, n, entry.First, entry.Last)
	}
	out := make([]Recorded, 0, len(w.Events))
	for i, e := range w.Events {
		if e.Number == prunedNumber {
			continue
		}
		event, err := c.decodeEvent(e)
		if err != nil {
			return nil, fmt.Errorf("decode event %d: %w", entry.First+uint64(i), err)
		}
		out = append(out, Recorded{Seq: entry.First + uint64(i), At: w.At.Time(), By: w.By, Event: event})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("decode entry %d: %w: all its events were pruned, and it was not removed; run `posthorn log verify`",
			entry.Last, ports.ErrDamaged)
	}
	return out, nil
}

// readEntry reads both forms, which the first byte tells apart.
func readEntry(data []byte) (w actedEntry[cbor.RawMessage], err error) {
	const arrayOfThree = 0x83 // RFC 8949, section 3: major type 4, and how many elements
	if len(data) > 0 && data[0] == arrayOfThree {
		err = stored.reading.Unmarshal(data, &w)
		return w, err
	}
	var short writtenEntry[cbor.RawMessage]
	err = stored.reading.Unmarshal(data, &short)
	w.At, w.Events = short.At, short.Events
	return w, err
}

func (c *Codec) decodeEvent(w writtenEvent[cbor.RawMessage]) (Event, error) {
	k, ok := c.byNumber[w.Number]
	if !ok {
		return nil, fmt.Errorf("type %d version %d is unknown: it was written by a newer program; use that one", w.Number, w.Version)
	}
	if w.Version > k.version {
		return nil, fmt.Errorf("type %s version %d is unknown: it was written by a newer program; use that one", k.name, w.Version)
	}
	if w.Version < 1 {
		return nil, fmt.Errorf("type %s has version %d: %w", k.name, w.Version, ports.ErrDamaged)
	}
	data, err := lift(w.Data, k.upcasts[w.Version-1:])
	if err != nil {
		return nil, fmt.Errorf("lift %s from version %d: %w: %w", k.name, w.Version, ports.ErrDamaged, err)
	}
	event, err := k.read(data)
	if err != nil {
		return nil, fmt.Errorf("type %s: %w: %w", k.name, ports.ErrDamaged, err)
	}
	return event, nil
}

func lift(data []byte, steps []func(fields) error) ([]byte, error) {
	if len(steps) == 0 {
		return data, nil
	}
	var f fields
	if err := stored.unmarshal(data, &f); err != nil {
		return nil, err
	}
	for _, step := range steps {
		if err := step(f); err != nil {
			return nil, err
		}
	}
	return stored.Marshal(f)
}
