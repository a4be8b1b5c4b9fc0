package core

import (
	"encoding/json"
	"time"
)

// A versioned event puts a new version of a resource in force.
type versioned interface {
	Event
	version() ResourceVersion
	deletes() bool
}

func (v ResourceVersion) version() ResourceVersion { return v }
func (ResourceVersion) deletes() bool              { return false }
func (ResourceVersion) event()                     {}

// resourceRow is the stored form of a resource; a deleted one's row stays.
type resourceRow struct {
	ResourceVersion
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	Deleted   bool      `json:"deleted,omitempty"`
}

func (s *State) foldResource(at time.Time, e versioned) error {
	v := e.version()
	if v.Version == 1 {
		*create[resourceRow](s, ResourceRowKey(v.Company, v.Type, v.ID)) = resourceRow{ResourceVersion: v, CreatedAt: at, UpdatedAt: at}
		return nil
	}
	return set(s, ResourceRowKey(v.Company, v.Type, v.ID), func(row *resourceRow) {
		row.ResourceVersion, row.UpdatedAt, row.Deleted = v, at, e.deletes()
	})
}

// A resourceBody is a resource as the receiver sees it: a JSON object that begins with id and type and ends with createdAt.
func resourceBody(kind, id string, fields map[string]json.RawMessage, createdAt time.Time) ([]byte, error) {
	inner, err := json.Marshal(fields) // keys in order: the same fields give the same bytes
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(inner)+len(kind)+len(id)+64)
	out = append(out, `{"id":"`...)
	out = append(out, id...)
	out = append(out, `","type":"`...)
	out = append(out, kind...)
	out = append(out, '"', ',')
	if len(fields) > 0 {
		out = append(append(out, inner[1:len(inner)-1]...), ',')
	}
	out = append(out, `"createdAt":"`...)
	out = append(out, FormatTime(createdAt)...)
	return append(out, `"}`...), nil
}

// FormatTime writes a time as receivers and the seed's history see it: RFC 3339 with milliseconds, in UTC.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
