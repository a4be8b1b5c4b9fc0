package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"posthorn/engine/core"
	"posthorn/ports"
)

// An ExportQuery says what of a log to export.
type ExportQuery struct {
	// After is the seq after which it begins; 0 is all.
	After uint64
	// Bodies adds what the vault keeps for an event, but never what is sealed there.
	Bodies bool
}

// An ExportedEvent is an event as the API shows it, with what the vault keeps for it where that was asked for and is still there.
type ExportedEvent struct {
	Event
	// Payload is the data of a published message, or a version of a resource.
	Payload json.RawMessage `json:"payload,omitempty"`
	// Response is the receiver's answer to an attempt; one that is no UTF-8 is in ResponseBase64.
	Response       string `json:"response,omitempty"`
	ResponseBase64 []byte `json:"responseBase64,omitempty"`
}

// Export hands every event of a store's log to yield, oldest first, all of one moment. It opens nothing that is sealed: no secret and no
// sensitive header can get into it, but what a payload or a receiver's answer holds does. Events that retention took away are passed over.
// It ends with the first error, yield's too, and returns ErrDamaged for an entry or a body that is not what was written.
func Export(ctx context.Context, store ports.Store, q ExportQuery, yield func(ExportedEvent) error) error {
	codec := core.NewCodec()
	return store.View(ctx, func(r ports.Reader) error {
		if err := notRestoring(r); err != nil {
			return err
		}
		for entry, err := range r.Entries(q.After) {
			if err := errors.Join(err, ctx.Err()); err != nil {
				return err
			}
			recorded, err := codec.Decode(entry)
			if err != nil {
				return err
			}
			for _, rec := range recorded {
				if rec.Seq <= q.After {
					continue
				}
				out, err := exported(codec, r, rec, q.Bodies)
				if err != nil {
					return fmt.Errorf("export event %d: %w", rec.Seq, err)
				}
				if err := yield(out); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func exported(codec *core.Codec, r ports.Reader, rec core.Recorded, bodies bool) (out ExportedEvent, err error) {
	if out.Event, err = outward(codec, rec); err != nil || !bodies {
		return out, err
	}
	if k, digest, ok := core.PayloadOf(rec.Event); ok {
		out.Payload, err = optional(readVault(r, k, digest))
		return out, err
	}
	attempted, ok := rec.Event.(core.CallAttempted)
	if !ok || attempted.Response == nil {
		return out, nil
	}
	k, digest, _ := core.VaultItemOf(attempted)
	response, err := optional(readVault(r, k, digest))
	if utf8.Valid(response) {
		out.Response = string(response)
	} else {
		out.ResponseBase64 = response
	}
	return out, err
}

// outward shows an event as the outside sees it.
func outward(codec *core.Codec, r core.Recorded) (Event, error) {
	data, err := json.Marshal(r.Event)
	return Event{Seq: r.Seq, At: r.At, Type: codec.TypeName(r.Event), By: r.By, Data: data}, err
}
