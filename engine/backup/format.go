package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fxamacker/cbor/v2"

	"posthorn/ports"
)

// magic begins a file, and version ends its first line: a file of another format is refused by its number.
const (
	magic   = "posthorn backup "
	version = "1\n"
)

// The frames of a file.
const (
	frameHeader = 'H'
	frameChunk  = 'C'
	frameIndex  = 'I'
	frameEnd    = 'E'
)

// maxFrame is the most bytes a frame may hold: a chunk of the largest size and with it one item that ends it.
const maxFrame = 16 << 20

// indexPart is how many chunks one frame of the index names.
const indexPart = 4096

// A Digest is the SHA-256 of a chunk, or of all that a backup is.
type Digest [sha256.Size]byte

// String returns it in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText writes it in hex.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText has written.
func (d *Digest) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(make([]byte, max(len(text)/2, 1)), text); err != nil || n != len(d) {
		return fmt.Errorf("digest %.80q is refused: it is not 64 hex digits; give it as posthorn backup has printed it", text)
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// The kinds of a chunk.
const (
	kindPairs   = 0
	kindEntries = 1
)

// What stands in frames. Fields go by their place; one that is added makes a new version of the format.
type (
	header struct {
		_       struct{} `cbor:",toarray"`
		Engine  string
		At      int64 // nanoseconds since 1970
		LastSeq uint64
		Since   []byte // empty for a full backup
	}
	pair struct {
		_          struct{} `cbor:",toarray"`
		Key, Value []byte
	}
	entry struct {
		_           struct{} `cbor:",toarray"`
		First, Last uint64
		Data        []byte
	}
	chunk struct {
		_       struct{} `cbor:",toarray"`
		Kind    uint64
		Pairs   []pair
		Entries []entry
	}
	indexed struct {
		_      struct{} `cbor:",toarray"`
		Digest []byte
		Kind   uint64
		Items  uint64
		Bytes  uint64
		Held   bool
	}
)

// A ref names a chunk in an index.
type ref struct {
	digest       Digest
	kind         uint8
	held         bool
	items, bytes uint32
}

// A form writes and reads what stands in frames.
type form struct {
	cbor.EncMode
	reading cbor.DecMode
}

// newForm writes the same content as the same bytes, for chunks are known by them, and reads nothing that is never written. It panics when the
// library does not know an option, which the first test would see.
func newForm() form {
	encoding, err := cbor.CoreDetEncOptions().EncMode()
	decoding, decodingErr := cbor.DecOptions{
		IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden, UTF8: cbor.UTF8RejectInvalid,
		MaxNestedLevels: 4, MaxArrayElements: 1 << 20, MaxMapPairs: 16,
	}.DecMode()
	if err := errors.Join(err, decodingErr); err != nil {
		panic("the form of backups: " + err.Error())
	}
	return form{EncMode: encoding, reading: decoding}
}

// About says what a backup is of.
type About struct {
	// Engine is the id of the engine whose store it is; empty where none has run.
	Engine string `json:"engine,omitempty"`
	// At is when it was made.
	At time.Time `json:"at"`
	// LastSeq is the last event that was ever stored then.
	LastSeq uint64 `json:"lastSeq"`
}

// A Summary says what a backup file holds.
type Summary struct {
	About

	// Digest is what the backup is called; Since is that of the one it builds on, nil for a full one.
	Digest Digest  `json:"digest"`
	Since  *Digest `json:"since,omitempty"`
	// Pairs and Entries count what a restore would bring back, Chunks what they are cut into, and Held those that stand in this file.
	Pairs   uint64 `json:"pairs"`
	Entries uint64 `json:"entries"`
	Chunks  uint64 `json:"chunks"`
	Held    uint64 `json:"held"`
	// Bytes is the size of the file.
	Bytes uint64 `json:"bytes"`
}

// refused says that bytes from outside are no backup that can be used, why, and what to do.
func refused(format string, args ...any) error {
	return fmt.Errorf("the backup is refused: %w: %w; take another copy of it, or an older backup", fmt.Errorf(format, args...), ports.ErrDamaged)
}

// refusedRead is refused for an error of a read. That a file ends too early is what a backup that was cut off looks like.
func refusedRead(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return refused("it is cut off before its end")
	}
	return fmt.Errorf("the backup cannot be read: %w; put it where this user can read it", err)
}
