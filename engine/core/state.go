package core

import (
	"bytes"
	"errors"
	"slices"

	"posthorn/ports"
)

// A State is the rows as one batch sees them: what is stored, and over it what the batch has changed so far. It is for one
// goroutine and one batch.
type State struct {
	read  func(key []byte) ([]byte, error)
	cells map[string]*cell
	cache *Cache // nil for none
}

// A cell is one row in the overlay.
type cell struct {
	key    []byte
	row    any // a pointer to the row's struct, a Due or an Expiry; nil when the row does not exist
	stored bool
	dirty  bool
}

// NewState returns the state over stored rows. read returns a row's bytes, or an error that matches ports.ErrNotFound.
func NewState(read func(key []byte) ([]byte, error)) *State {
	return &State{read: read, cells: map[string]*cell{}}
}

// WithCache lets the state take rows from a cache instead of reading them.
func (s *State) WithCache(c *Cache) *State {
	s.cache = c
	return s
}

// load returns the row under key for reading, nil when there is none. Only fold changes what it points to. The key becomes the state's.
func load[T any](s *State, k []byte) (*T, error) {
	if c, ok := s.cells[string(k)]; ok {
		row, _ := c.row.(*T)
		return row, nil
	}
	if row, ok := s.cached(k); ok {
		s.put(cell{key: k, row: row, stored: true})
		typed, _ := row.(*T)
		return typed, nil
	}
	raw, err := s.read(k)
	if errors.Is(err, ports.ErrNotFound) {
		s.put(cell{key: k})
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	row := new(T)
	if err := readRow(k, raw, row); err != nil {
		return nil, err
	}
	s.put(cell{key: k, row: row, stored: true})
	return row, nil
}

func (s *State) put(c cell) { s.cells[string(c.key)] = &c }

func (s *State) cached(k []byte) (any, bool) {
	if s.cache == nil {
		return nil, false
	}
	return s.cache.get(k)
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
	s.put(cell{key: k, row: row, dirty: true})
	return row
}

// remove deletes the row under key; one that this batch made leaves no trace.
func (s *State) remove(k []byte) {
	c, ok := s.cells[string(k)]
	if !ok {
		c = &cell{key: k, stored: true}
		s.cells[string(k)] = c
	}
	c.row, c.dirty = nil, c.stored
}

// drop is remove for a row that there may not be: what is not stored is not deleted.
func (s *State) drop(k []byte) error {
	c, ok := s.cells[string(k)]
	if ok && c.row == nil {
		return nil
	}
	if !ok {
		switch _, err := s.read(k); {
		case errors.Is(err, ports.ErrNotFound):
			return nil
		case err != nil:
			return err
		}
	}
	s.remove(k)
	return nil
}

// A marker is a row that says all in its key and a few bytes.
type marker interface {
	Key() []byte
	value() []byte
}

func (s *State) mark(m marker) {
	// A call may come back to the key that is stored and leave it again in one batch: what is stored must not be forgotten.
	k := m.Key()
	before, ok := s.cells[string(k)]
	s.put(cell{key: k, row: m, dirty: true, stored: ok && before.stored})
}

func (s *State) unmark(m marker) { s.remove(m.Key()) }

// Changes returns what differs from the store, in key order: the batch's puts and deletes.
func (s *State) Changes() (puts []ports.Pair, deletes [][]byte, err error) {
	changed := s.sorted(func(c *cell) bool { return c.dirty })
	puts = make([]ports.Pair, 0, len(changed))
	for _, c := range changed {
		if c.row == nil {
			deletes = append(deletes, c.key)
			continue
		}
		value, err := c.value()
		if err != nil {
			return nil, nil, err
		}
		puts = append(puts, ports.Pair{Key: c.key, Value: value})
	}
	return puts, deletes, nil
}

func (c *cell) value() ([]byte, error) {
	if m, ok := c.row.(marker); ok {
		return m.value(), nil
	}
	return writeRow(c.row)
}

// sorted returns the cells that are wanted, in key order.
func (s *State) sorted(wanted func(*cell) bool) []*cell {
	out := make([]*cell, 0, len(s.cells))
	for _, c := range s.cells {
		if wanted(c) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *cell) int { return bytes.Compare(a.key, b.key) })
	return out
}

// Dues returns the calls that this batch made due, in the order of their rows, each with its call.
func (s *State) Dues() []Due {
	isDue := func(c *cell) bool {
		_, ok := c.row.(Due)
		return ok
	}
	var out []Due
	for _, c := range s.sorted(isDue) {
		d, _ := c.row.(Due)
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
