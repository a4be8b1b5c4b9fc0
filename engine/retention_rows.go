package engine

import (
	"posthorn/engine/core"
	"posthorn/ports"
)

// A rowMemory is the snapshot of a walk, and remembers the rows that were read of it, for the step that the walk finds.
type rowMemory struct {
	ports.Reader

	rows map[string][]byte // nil where there is none
}

func newRowMemory(r ports.Reader) *rowMemory {
	return &rowMemory{Reader: r, rows: map[string][]byte{}}
}

// Get implements ports.Reader.
func (m *rowMemory) Get(key []byte) ([]byte, error) {
	value, err := m.Reader.Get(key)
	if row, err := optional(value, err); err == nil {
		m.rows[string(key)] = row
	}
	return value, err
}

// lacks notes that there is no such row, as the walk knows without having asked for it.
func (m *rowMemory) lacks(key []byte) { m.rows[string(key)] = nil }

// A meanwhile is what was committed since retention looks for a step. It is for the writer's goroutine, which commits and decides.
type meanwhile struct {
	called map[string]bool // messages of which calls were made
	wrote  map[string]bool // keys of rows
}

func newMeanwhile() *meanwhile {
	return &meanwhile{called: map[string]bool{}, wrote: map[string]bool{}}
}

func (m *meanwhile) committed(c committed) {
	for _, e := range c.events {
		if requested, ok := e.Event.(core.CallRequested); ok && requested.Again() {
			m.called[requested.Message] = true
		}
	}
	for _, p := range c.commit.Puts {
		m.wrote[string(p.Key)] = true
	}
	for _, k := range c.commit.Deletes {
		m.wrote[string(k)] = true
	}
}

// calledAgain tells whether a message has got a new call.
func (m *meanwhile) calledAgain(message string) bool { return m.called[message] }

// over reads rows for the step: those that the walk remembers and no commit has written since are as they were, and are not asked for again.
func (m *meanwhile) over(remembered map[string][]byte) func(get rowReader) rowReader {
	return func(get rowReader) rowReader {
		return func(key []byte) ([]byte, error) {
			row, ok := remembered[string(key)]
			switch {
			case !ok || m.wrote[string(key)]:
				return get(key)
			case row == nil:
				return nil, ports.ErrNotFound
			}
			return row, nil
		}
	}
}
