package core

import (
	"fmt"
	"reflect"

	"github.com/fxamacker/cbor/v2"

	"posthorn/ports"
)

// prunedNumber keeps the place of an event that was taken out of its entry, so that the others keep theirs.
const prunedNumber = 0

// without returns the entry without the events at some places, or with others in their stead. Nothing is left of one that would hold none.
func (c *Codec) without(entry ports.Entry, gone map[uint64]Event) (ports.Entry, error) {
	w, err := readEntry(entry.Data)
	if err != nil {
		return entry, fmt.Errorf("prune entry %d: %w: %w", entry.Last, ports.ErrDamaged, err)
	}
	left := 0
	for i := range w.Events {
		instead, ok := gone[entry.First+uint64(i)]
		switch {
		case !ok:
		case instead == nil:
			w.Events[i] = writtenEvent[cbor.RawMessage]{Number: prunedNumber, Version: 1, Data: cbor.RawMessage{cborNull}}
		default:
			k := c.byType[reflect.TypeOf(instead)]
			data, err := stored.Marshal(instead)
			if err != nil {
				return entry, fmt.Errorf("prune entry %d: %w", entry.Last, err)
			}
			w.Events[i] = writtenEvent[cbor.RawMessage]{Number: k.number, Version: k.version, Data: data}
		}
		if w.Events[i].Number != prunedNumber {
			left++
		}
	}
	if entry.Data = nil; left == 0 {
		return entry, nil
	}
	if w.By == nil {
		entry.Data, err = stored.Marshal(writtenEntry[cbor.RawMessage]{At: w.At, Events: w.Events})
	} else {
		entry.Data, err = stored.Marshal(w)
	}
	return entry, err
}

const cborNull = 0xf6 // RFC 8949, section 3.3
