package backup

import (
	"io"
	"time"
)

// An Outline is a backup without its content: the header, and which chunks there are. It is immutable.
type Outline struct {
	about  About
	since  *Digest
	digest Digest
	refs   []ref
	bytes  uint64
}

// Engine is the id of the engine whose store it is; empty where none had run.
func (o *Outline) Engine() string { return o.about.Engine }

// Digest is what the backup is called.
func (o *Outline) Digest() Digest { return o.digest }

// Summary says what the file holds.
func (o *Outline) Summary() Summary {
	s := Summary{About: o.about, Digest: o.digest, Since: o.since, Chunks: uint64(len(o.refs)), Bytes: o.bytes}
	for _, r := range o.refs {
		if r.kind == kindPairs {
			s.Pairs += uint64(r.items)
		} else {
			s.Entries += uint64(r.items)
		}
		if r.held {
			s.Held++
		}
	}
	return s
}

// WriteTo writes it as ReadOutline reads it: as the file was, without chunks. It takes some 45 bytes for each.
func (o *Outline) WriteTo(to io.Writer) (int64, error) {
	out, form := newFrames(to), newForm()
	err := out.magic()
	if err == nil {
		err = writeHeader(out, form, o)
	}
	if err == nil {
		again := *o // the digest is made anew, and is the same
		err = writeIndex(out, form, &again)
	}
	return int64(out.written), err
}

func (o *Outline) known() map[Digest]struct{} {
	known := make(map[Digest]struct{}, len(o.refs))
	for _, r := range o.refs {
		known[r.digest] = struct{}{}
	}
	return known
}

func writeHeader(out *frames, form form, o *Outline) error {
	h := header{Engine: o.about.Engine, At: o.about.At.UnixNano(), LastSeq: o.about.LastSeq, Since: []byte{}}
	if o.since != nil {
		h.Since = o.since[:]
	}
	payload, err := form.Marshal(h)
	if err != nil {
		return err
	}
	return out.frame(frameHeader, payload)
}

// writeIndex writes the index and the end, and notes the digest.
func writeIndex(out *frames, form form, o *Outline) error {
	for from := 0; from < len(o.refs); from += indexPart {
		part := o.refs[from:min(from+indexPart, len(o.refs))]
		list := make([]indexed, len(part))
		for i, r := range part {
			list[i] = indexed{Digest: r.digest[:], Kind: uint64(r.kind), Items: uint64(r.items), Bytes: uint64(r.bytes), Held: r.held}
		}
		payload, err := form.Marshal(list)
		if err != nil {
			return err
		}
		if err := out.frame(frameIndex, payload); err != nil {
			return err
		}
	}
	copy(o.digest[:], out.sum.Sum(nil))
	return out.frame(frameEnd, o.digest[:])
}

// outlineOf is what a header says.
func outlineOf(h header) (*Outline, error) {
	if len(h.Since) != 0 && len(h.Since) != len(Digest{}) {
		return nil, refused("it names a backup before it by %d bytes, not by a digest", len(h.Since))
	}
	o := &Outline{about: About{Engine: h.Engine, At: time.Unix(0, h.At).UTC(), LastSeq: h.LastSeq}}
	if len(h.Since) > 0 {
		o.since = (*Digest)(h.Since)
	}
	return o, nil
}
