package core

import (
	"time"

	"posthorn/ports"
)

// An Unmatched message is one that no webhook asked for. Its row stands until a replay matches it, or retention prunes it.
type Unmatched struct {
	MessageRef
	CreatedAt time.Time
}

// unmatchedRow is the stored form.
type unmatchedRow struct {
	Company   string       `cbor:"-"`
	Message   string       `cbor:"-"`
	EventType string       `cbor:"5,keyasint,omitempty"`
	Resource  *ResourceRef `cbor:"6,keyasint,omitempty"`
	Created   Stamp        `cbor:"12,keyasint,omitempty"`
	HasData   bool         `cbor:"32,keyasint,omitempty"`
}

func (u *unmatchedRow) unpack(parts []string) bool {
	if len(parts) != 2 {
		return false
	}
	u.Company, u.Message = parts[0], parts[1]
	return true
}

func (s *State) foldUnmatched(at time.Time, e MessageUnmatched) {
	row := create[unmatchedRow](s, UnmatchedKey(e.Company, e.Message))
	*row = unmatchedRow{
		Company: e.Company, Message: e.Message, EventType: e.EventType, Resource: e.Resource, HasData: e.HasData, Created: StampOf(at),
	}
}

// ParseUnmatched reads the row of a message that no webhook asked for. With it the calls can be planned: what it tells is in the vault.
func ParseUnmatched(pair ports.Pair) (Unmatched, error) {
	row, err := parse[unmatchedRow](pair)
	return Unmatched{
		MessageRef: MessageRef{Message: row.Message, Company: row.Company, EventType: row.EventType, Resource: row.Resource, HasData: row.HasData},
		CreatedAt:  row.Created.Time(),
	}, err
}
