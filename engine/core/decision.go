package core

import "posthorn/ports"

// A Decision is what a command leads to: events in order, and vault items that go with them. A refused command has none.
type Decision struct {
	Events []Event
	Vault  []ports.Pair
	// Forget names vault items that are erased with it.
	Forget [][]byte
	// Rewrites are entries of the log as they are from now on, without data where they go.
	Rewrites []ports.Entry

	planned int // calls, of all messages that it tells
}

// Inputs are what a decision needs and must not make itself. All ids of one decision carry the same time, so that an id leads
// to its place in the log.
type Inputs interface {
	// ID returns a new id with the prefix: larger than all before it, its time the decision's.
	ID(prefix string) string
	// Salt returns random bytes for a vault item.
	Salt() [SaltBytes]byte
}

// The prefixes of ids.
const (
	PrefixEngine  = "eng_"
	PrefixWebhook = "wh_"
	PrefixMessage = "msg_"
	PrefixCall    = "call_"
	PrefixAPIKey  = "key_"
)

// tell adds events.
func (d *Decision) tell(events ...Event) {
	if d.Events == nil {
		d.Events = make([]Event, 0, 4) // most commands tell two or three
	}
	d.Events = append(d.Events, events...)
}

// keep puts data into the vault and returns its digest.
func (d *Decision) keep(in Inputs, k, data []byte) string {
	return d.keepBy(in, data, func(string) []byte { return k })
}

// keepBy puts data into the vault under a key that its digest is part of, and returns the digest.
func (d *Decision) keepBy(in Inputs, data []byte, k func(digest string) []byte) string {
	value, digest := NewVaultItem(in.Salt(), data)
	d.Vault = append(d.Vault, ports.Pair{Key: k(digest), Value: value})
	return digest
}

// engineRow is the stored form of the engine's identity.
type engineRow struct {
	Engine string `cbor:"48,keyasint,omitempty"`
	Epoch  uint64 `cbor:"22,keyasint,omitempty"`
}

// StoredEngine returns the id of the engine whose store it is, read by get; empty where none has run.
func StoredEngine(get func(key []byte) ([]byte, error)) (string, error) {
	row, err := load[engineRow](NewState(get), EngineKey())
	if err != nil || row == nil {
		return "", err
	}
	return row.Engine, nil
}

// StartEngine opens the next epoch; a new store gets an engine id first.
func StartEngine(s *State, in Inputs) (Decision, EngineStarted, error) {
	row, err := load[engineRow](s, EngineKey())
	if err != nil {
		return Decision{}, EngineStarted{}, err
	}
	started := EngineStarted{Epoch: 1}
	if row == nil {
		started.Engine = in.ID(PrefixEngine)
	} else {
		started.Engine, started.Epoch = row.Engine, row.Epoch+1
	}
	return Decision{Events: []Event{started}}, started, nil
}
