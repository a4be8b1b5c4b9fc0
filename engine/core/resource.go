package core

import (
	"encoding/json"
	"maps"
	"slices"
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

// resourceRow is the stored form of a resource; a deleted one's row stays. Company, type and id are in its key.
type resourceRow struct {
	Company   string `cbor:"-"`
	Type      string `cbor:"-"`
	ID        string `cbor:"-"`
	Version   int    `cbor:"9,keyasint,omitempty"`
	Digest    string `cbor:"10,keyasint,omitempty"`
	CreatedAt Stamp  `cbor:"12,keyasint,omitempty"`
	UpdatedAt Stamp  `cbor:"13,keyasint,omitempty"`
	Deleted   bool   `cbor:"47,keyasint,omitempty"`
	Erased    bool   `cbor:"120,keyasint,omitempty"`
}

func (r *resourceRow) unpack(parts []string) bool {
	if len(parts) != 3 {
		return false
	}
	r.Company, r.Type, r.ID = parts[0], parts[1], parts[2]
	return true
}

// current returns the version in force.
func (r *resourceRow) current() ResourceVersion {
	return ResourceVersion{ResourceRef: ResourceRef{Type: r.Type, ID: r.ID, Version: r.Version}, Company: r.Company, Digest: r.Digest}
}

func (s *State) foldResource(at time.Time, e versioned) error {
	v := e.version()
	put := func(row *resourceRow) {
		row.Company, row.Type, row.ID, row.Version, row.Digest = v.Company, v.Type, v.ID, v.Version, v.Digest
		row.UpdatedAt, row.Deleted = StampOf(at), e.deletes()
	}
	k := ResourceRowKey(v.Company, v.Type, v.ID)
	if v.Version == 1 {
		row := create[resourceRow](s, k)
		row.CreatedAt = StampOf(at)
		put(row)
		return nil
	}
	return set(s, k, put)
}

// A resourceBody is a resource as the receiver sees it: a JSON object that begins with id and type and ends with createdAt. The fields
// between are in order, so that the same fields give the same bytes; they are JSON as encoding/json writes it.
func resourceBody(kind, id string, fields map[string]json.RawMessage, createdAt time.Time) []byte {
	size := len(kind) + len(id) + 64
	for name, value := range fields {
		size += len(name) + len(value) + 4 // quotes, colon, comma
	}
	out := append(make([]byte, 0, size), `{"id":"`...)
	out = append(out, id...)
	out = append(out, `","type":"`...)
	out = append(out, kind...)
	out = append(out, '"', ',')
	names := slices.AppendSeq(make([]string, 0, len(fields)), maps.Keys(fields))
	slices.Sort(names)
	for _, name := range names {
		out = append(appendText(out, name), ':')
		out = append(append(out, fields[name]...), ',')
	}
	out = append(out, `"createdAt":"`...)
	out = append(out, FormatTime(createdAt)...)
	return append(out, `"}`...)
}

// FormatTime writes a time as receivers and the seed's history see it: RFC 3339 with milliseconds, in UTC.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
