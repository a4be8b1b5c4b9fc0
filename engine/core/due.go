package core

import (
	"encoding/binary"
	"strings"
	"time"
)

// A Due names an open call in its webhook's queue. The row's key holds webhook, time and seq, so that scanning one
// webhook's rows gives its calls in the order in which they are due; there is no second index by time. An ordered call keeps the place that
// it had when it was requested, over all its attempts: none after it may go before.
type Due struct {
	Webhook string
	At      time.Time // when the next attempt may begin
	Place   time.Time // when an ordered call was requested; zero for others, whose place is At
	Seq     uint64    // of the call's CallRequested
	Company string
	Call    string
	// Fresh is the call as its commit left it, nil for a due row that was read. It is not part of the row.
	Fresh *FreshCall
}

// A FreshCall saves reading a call's row, and what it tells, right after its commit.
type FreshCall struct {
	Call    Call
	HasData bool
	// Resource and Data are the parts of the body that the vault holds, as far as the call's commit put them there; nil where they have
	// to be read. The calls of one message share them, and nobody changes them.
	Resource, Data []byte
}

// Ordered tells whether the call must end before any behind it begins.
func (d Due) Ordered() bool { return !d.Place.IsZero() }

// Key of the due row.
func (d Due) Key() []byte {
	place := d.At
	if d.Ordered() {
		place = d.Place
	}
	return key(rowPrefix, "due", d.Webhook, moment(place, d.Seq))
}

// value names the call, and of an ordered one the time of its next attempt, which its key does not tell.
func (d Due) value() []byte {
	if d.Ordered() {
		return key(d.Company, d.Call, moment(d.At, 0))
	}
	return key(d.Company, d.Call)
}

// ParseDue reads a due row back.
func ParseDue(k, value []byte) (Due, error) {
	head := len(rowPrefix) + len("\x00due\x00")
	parts := strings.SplitN(string(value), "\x00", 3)
	if len(k) < head+1+momentBytes || len(parts) < 2 || len(parts) == 3 && len(parts[2]) != momentBytes {
		return Due{}, damaged("due row", string(k))
	}
	d := Due{Webhook: string(k[head : len(k)-1-momentBytes]), Company: parts[0], Call: parts[1]}
	d.At, d.Seq = parseMoment(k[len(k)-momentBytes:])
	if len(parts) == 3 {
		d.Place = d.At
		d.At, _ = parseMoment([]byte(parts[2]))
	}
	if d.At.Before(time.Unix(0, 0)) || d.Ordered() && d.Place.Before(time.Unix(0, 0)) {
		return Due{}, damaged("due row", string(k)) // a number that no time has
	}
	return d, nil
}

// DueRange covers the due rows of one webhook, or of all for an empty name.
func DueRange(webhook string) (from, to []byte) {
	if webhook == "" {
		return under(rowPrefix, "due")
	}
	return under(rowPrefix, "due", webhook)
}

// An Expiry says when an open call ends, if it has not ended by then. The row's key holds time and seq.
type Expiry struct {
	At            time.Time
	Seq           uint64 // of the call's CallRequested
	Company, Call string
}

// Key of the expiry's row.
func (e Expiry) Key() []byte { return key(rowPrefix, "expiry", moment(e.At, e.Seq)) }

func (e Expiry) value() []byte { return key(e.Company, e.Call) }

// ParseExpiry reads an expiry's row back.
func ParseExpiry(k, value []byte) (Expiry, error) {
	head := len(rowPrefix) + len("\x00expiry\x00")
	company, call, ok := strings.Cut(string(value), "\x00")
	if len(k) != head+momentBytes || !ok {
		return Expiry{}, damaged("expiry row", string(k))
	}
	e := Expiry{Company: company, Call: call}
	if e.At, e.Seq = parseMoment(k[head:]); e.At.Before(time.Unix(0, 0)) {
		return Expiry{}, damaged("expiry row", string(k))
	}
	return e, nil
}

// ExpiryRange covers the expiries from a time on, the soonest first; the zero time stands for all.
func ExpiryRange(after time.Time) (from, to []byte) {
	_, to = under(rowPrefix, "expiry")
	return Expiry{At: after}.Key(), to
}

const momentBytes = 8 + 8 // milliseconds, seq

// moment writes a time and a seq so that their order is that of the bytes.
func moment(at time.Time, seq uint64) string {
	var tail [momentBytes]byte
	binary.BigEndian.PutUint64(tail[:8], uint64(max(0, at.UnixMilli()))) // none is before 1970
	binary.BigEndian.PutUint64(tail[8:], seq)
	return string(tail[:])
}

func parseMoment(tail []byte) (time.Time, uint64) {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(tail))).UTC(), binary.BigEndian.Uint64(tail[8:])
}
