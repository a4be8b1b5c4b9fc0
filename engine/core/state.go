package core

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"posthorn/ports"
)

// A State is the rows as one batch sees them: what is stored, and over it what the batch has changed so far. It is for one
// goroutine and one batch.
type State struct {
	read  func(key []byte) ([]byte, error)
	cells map[string]*cell
	dues  map[string]Due
	cache *Cache // nil for none
}

// A cell is one row in the overlay.
type cell struct {
	row    any // a pointer to the row's struct, or raw bytes; nil when the row does not exist
	stored bool
	dirty  bool
}

// NewState returns the state over stored rows. read returns a row's bytes, or an error that matches ports.ErrNotFound.
func NewState(read func(key []byte) ([]byte, error)) *State {
	return &State{read: read, cells: map[string]*cell{}, dues: map[string]Due{}}
}

// WithCache lets the state take rows from a cache instead of reading them.
func (s *State) WithCache(c *Cache) *State {
	s.cache = c
	return s
}

// load returns the row under key for reading, nil when there is none. Only fold changes what it points to.
func load[T any](s *State, k []byte) (*T, error) {
	if c, ok := s.cells[string(k)]; ok {
		row, _ := c.row.(*T)
		return row, nil
	}
	if row, ok := s.cached(k); ok {
		s.cells[string(k)] = &cell{row: row, stored: true}
		typed, _ := row.(*T)
		return typed, nil
	}
	raw, err := s.read(k)
	if errors.Is(err, ports.ErrNotFound) {
		s.cells[string(k)] = &cell{}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	row := new(T)
	if err := json.Unmarshal(raw, row); err != nil {
		return nil, damaged("row", string(k))
	}
	s.cells[string(k)] = &cell{row: row, stored: true}
	return row, nil
}

func (s *State) cached(k []byte) (any, bool) {
	if s.cache == nil {
		return nil, false
	}
	return s.cache.get(string(k))
}

// change returns the row under key for changing, a zero row when there is none. Only fold calls it.
func change[T any](s *State, k []byte) (*T, error) {
	row, err := load[T](s, k)
	if err != nil {
		return nil, err
	}
	c := s.cells[string(k)]
	if row == nil {
		row = new(T)
		c.row = row
	}
	c.dirty = true
	return row, nil
}

// create returns the zero row under a key that no row has yet, for it holds an id that has just been drawn: it need not be looked for.
func create[T any](s *State, k []byte) *T {
	row := new(T)
	s.cells[string(k)] = &cell{row: row, dirty: true}
	return row
}

// remove deletes the row under key; one that this batch made leaves no trace.
func (s *State) remove(k []byte) {
	c, ok := s.cells[string(k)]
	if !ok {
		c = &cell{stored: true}
		s.cells[string(k)] = c
	}
	c.row, c.dirty = nil, c.stored
}

func (s *State) putDue(d Due) {
	// A call may come back to the key that is stored and leave it again in one batch: what is stored must not be forgotten.
	before, ok := s.cells[string(d.Key())]
	s.cells[string(d.Key())] = &cell{row: d.value(), dirty: true, stored: ok && before.stored}
	s.dues[string(d.Key())] = d
}

func (s *State) removeDue(d Due) {
	s.remove(d.Key())
	delete(s.dues, string(d.Key()))
}

// Changes returns what differs from the store, in key order: the batch's puts and deletes.
func (s *State) Changes() (puts []ports.Pair, deletes [][]byte, err error) {
	for _, k := range slices.Sorted(maps.Keys(s.cells)) {
		c := s.cells[k]
		switch row := c.row.(type) {
		case nil:
			if c.dirty {
				deletes = append(deletes, []byte(k))
			}
		case []byte:
			if c.dirty {
				puts = append(puts, ports.Pair{Key: []byte(k), Value: row})
			}
		default:
			if !c.dirty {
				continue
			}
			value, err := json.Marshal(row)
			if err != nil {
				return nil, nil, err
			}
			puts = append(puts, ports.Pair{Key: []byte(k), Value: value})
		}
	}
	return puts, deletes, nil
}

// Dues returns the calls that this batch made due, in the order of their rows, each with its call.
func (s *State) Dues() []Due {
	out := make([]Due, 0, len(s.dues))
	for _, k := range slices.Sorted(maps.Keys(s.dues)) {
		d := s.dues[k]
		if row, err := s.call(d.Company, d.Call); err == nil {
			d.Fresh = &FreshCall{Call: row.Call, HasData: row.HasData}
		}
		out = append(out, d)
	}
	return out
}

// Writes bounds the puts and deletes of Changes from above, and is cheap.
func (s *State) Writes() int { return len(s.cells) }

func (s *State) webhook(company, id string) (*webhookRow, error) {
	row, err := load[webhookRow](s, WebhookKey(company, id))
	if err == nil && (row == nil || row.Deleted) {
		return nil, notFound("webhook", id)
	}
	return row, err
}

func (s *State) call(company, id string) (*callRow, error) {
	row, err := load[callRow](s, CallKey(company, id))
	if err == nil && row == nil {
		return nil, notFound("call", id)
	}
	return row, err
}

func (s *State) resource(company, kind, id string) (*resourceRow, error) {
	row, err := load[resourceRow](s, ResourceRowKey(company, kind, id))
	if err == nil && (row == nil || row.Deleted) {
		return nil, notFound(kind, id)
	}
	return row, err
}

// Webhook returns a webhook as the batch sees it; exists is false for an unknown or deleted one.
func (s *State) Webhook(company, id string) (w Webhook, exists bool, err error) {
	row, err := load[webhookRow](s, WebhookKey(company, id))
	if err != nil || row == nil || row.Deleted {
		return Webhook{}, false, err
	}
	return row.Webhook, true, nil
}
