package core

import "time"

// A Stamp is a time as it is stored: nanoseconds since 1970 in UTC, from 1678 to 2262. 0 stands for the zero time, which JSON shows as
// year 1. In JSON it is what a time.Time in UTC is there.
type Stamp int64

// StampOf returns the stamp of a time.
func StampOf(t time.Time) Stamp {
	if t.IsZero() {
		return 0
	}
	return Stamp(t.UnixNano())
}

// stampOf is StampOf for a time that there may not be.
func stampOf(t *time.Time) Stamp {
	if t == nil {
		return 0
	}
	return StampOf(*t)
}

// Time returns the time in UTC.
func (s Stamp) Time() time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(s)).UTC()
}

// Pointer returns the time, or nil for the zero time.
func (s Stamp) Pointer() *time.Time {
	if s == 0 {
		return nil
	}
	t := s.Time()
	return &t
}

// MarshalText writes the time as RFC 3339.
func (s Stamp) MarshalText() ([]byte, error) { return s.Time().MarshalText() }

// UnmarshalText reads what MarshalText writes.
func (s *Stamp) UnmarshalText(text []byte) error {
	var t time.Time
	err := t.UnmarshalText(text)
	*s = StampOf(t)
	return err
}
