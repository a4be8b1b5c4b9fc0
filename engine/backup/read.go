package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"io"
	"math"
)

// A found is a chunk as it stands in a file.
type found struct {
	ref

	at      int64 // where its bytes begin
	payload []byte
}

// Read reads a whole backup file and checks every byte of it. It returns ports.ErrDamaged for what is no backup, or not as it was written.
func Read(from io.Reader) (*Outline, error) {
	return read(from, func(found) {})
}

// ReadOutline reads what Outline.WriteTo has written, and checks it in the same way.
func ReadOutline(from io.Reader) (*Outline, error) {
	r := reader{in: newUnframes(bufio.NewReaderSize(from, writeBuffer)), form: newForm(), outline: true}
	return r.all(func(found) {})
}

// read hands on every chunk that the file holds. Whether they are those that the index names is known only at its end.
func read(from io.Reader, each func(found)) (*Outline, error) {
	r := reader{in: newUnframes(bufio.NewReaderSize(from, writeBuffer)), form: newForm()}
	return r.all(each)
}

type reader struct {
	in      *unframes
	form    form
	outline bool  // chunks are left out
	held    []ref // chunks that were seen
}

func (r *reader) all(each func(found)) (*Outline, error) {
	o, err := r.begin()
	if err != nil {
		return nil, err
	}
	for {
		letter, payload, err := r.in.next()
		if err != nil {
			return nil, err
		}
		switch {
		case letter == frameChunk && len(o.refs) == 0 && !r.outline:
			err = r.chunk(payload, each)
		case letter == frameIndex:
			err = r.index(payload, o)
		case letter == frameEnd:
			if err = r.end(payload, o); err == nil {
				return o, nil
			}
		default:
			err = refused("a part %q is not where such a one may stand", letter)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (r *reader) begin() (*Outline, error) {
	if err := r.in.magic(); err != nil {
		return nil, err
	}
	letter, payload, err := r.in.next()
	if err != nil {
		return nil, err
	}
	var h header
	if letter != frameHeader {
		return nil, refused("it has no header")
	}
	if err := r.form.reading.Unmarshal(payload, &h); err != nil {
		return nil, refused("its header cannot be read: %w", err)
	}
	return outlineOf(h)
}

func (r *reader) chunk(payload []byte, each func(found)) error {
	c, err := decodeChunk(r.form, payload)
	if err != nil {
		return err
	}
	f := found{at: r.in.at - int64(len(payload)), payload: payload, ref: ref{
		digest: sha256.Sum256(payload), kind: uint8(c.Kind), held: true,
		items: uint32(len(c.Pairs) + len(c.Entries)), bytes: uint32(len(payload)),
	}}
	r.held = append(r.held, f.ref)
	each(f)
	return nil
}

func decodeChunk(form form, payload []byte) (c chunk, err error) {
	if err := form.reading.Unmarshal(payload, &c); err != nil {
		return c, refused("a chunk of it cannot be read: %w", err)
	}
	if c.Kind > kindEntries || c.Kind == kindPairs && len(c.Entries) > 0 || c.Kind == kindEntries && len(c.Pairs) > 0 {
		return c, refused("a chunk of it holds what its kind %d does not", c.Kind)
	}
	return c, nil
}

func (r *reader) index(payload []byte, o *Outline) error {
	var part []indexed
	if err := r.form.reading.Unmarshal(payload, &part); err != nil {
		return refused("its index cannot be read: %w", err)
	}
	if len(part) == 0 || len(part) > indexPart {
		return refused("a part of its index names %d chunks, and each names 1 to %d", len(part), indexPart)
	}
	for _, i := range part {
		if len(i.Digest) != len(Digest{}) || i.Kind > kindEntries || i.Items > math.MaxUint32 || i.Bytes > maxFrame {
			return refused("its index names a chunk that there cannot be")
		}
		o.refs = append(o.refs, ref{
			digest: Digest(i.Digest), kind: uint8(i.Kind), held: i.Held, items: uint32(i.Items), bytes: uint32(i.Bytes),
		})
	}
	return nil
}

// end holds what was read against the digest, and the chunks against the index.
func (r *reader) end(payload []byte, o *Outline) error {
	copy(o.digest[:], r.in.sum.Sum(nil))
	if !bytes.Equal(payload, o.digest[:]) {
		return refused("it is not what was written: its digest is %s, and its bytes give %s", shown(payload), o.digest)
	}
	seen := 0
	for _, want := range o.refs {
		if !want.held || r.outline {
			continue
		}
		if seen == len(r.held) || r.held[seen] != want {
			return refused("it is not what was written: its chunk %d is not the one that its index names", seen+1)
		}
		seen++
	}
	if seen != len(r.held) {
		return refused("it holds %d chunks, and its index names %d of them", len(r.held), seen)
	}
	o.bytes = uint64(r.in.at)
	return r.in.ended()
}

// shown is a digest as it may stand in an error.
func shown(digest []byte) string {
	if len(digest) != len(Digest{}) {
		return "none"
	}
	return Digest(digest).String()
}
