package backup

import (
	"bufio"
	"context"
	"io"

	"posthorn/ports"
)

// writeBuffer is how many bytes go to the writer at once.
const writeBuffer = 64 << 10

// Write writes a backup of one snapshot: a full one, or with since one that holds only what that has not. about.LastSeq is taken from the
// snapshot. It keeps a chunk and 48 bytes of each chunk in memory, whatever the store holds, and returns the first error, also ctx's cause.
// What was written until then is no backup, and Read refuses it.
func Write(ctx context.Context, to io.Writer, r ports.Reader, about About, since *Outline) (Summary, error) {
	buffered := bufio.NewWriterSize(to, writeBuffer)
	w := &writer{ctx: ctx, out: newFrames(buffered), form: newForm()}
	w.cut = newCutter(w.form)
	if since != nil {
		w.known = since.known()
	}
	o, err := w.all(r, about, since)
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return Summary{}, err
	}
	return o.Summary(), nil
}

type writer struct {
	ctx   context.Context //nolint:containedctx // of the one call of Write
	out   *frames
	form  form
	cut   cutter
	known map[Digest]struct{}
	refs  []ref
}

func (w *writer) all(r ports.Reader, about About, since *Outline) (o Outline, err error) {
	if o.about = about; since != nil {
		o.since = &since.digest
	}
	if o.about.LastSeq, err = r.LastSeq(); err != nil {
		return o, err
	}
	if err := w.out.magic(); err != nil {
		return o, err
	}
	if err := writeHeader(w.out, w.form, &o); err != nil {
		return o, err
	}
	if err := w.pairs(r); err != nil {
		return o, err
	}
	if err := w.entries(r); err != nil {
		return o, err
	}
	o.refs = w.refs
	if err := writeIndex(w.out, w.form, &o); err != nil {
		return o, err
	}
	o.bytes = w.out.written
	return o, nil
}

func (w *writer) pairs(r ports.Reader) error {
	for p, err := range r.Scan(nil, nil, false) {
		if err != nil {
			return err
		}
		if w.cut.pair(p) {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return w.flush()
}

func (w *writer) entries(r ports.Reader) error {
	for e, err := range r.Entries(0) {
		if err != nil {
			return err
		}
		if w.cut.entry(e) {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return w.flush()
}

// flush ends a chunk, and writes it unless the backup before has it.
func (w *writer) flush() error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	payload, r, ok, err := w.cut.take()
	if err != nil || !ok {
		return err
	}
	if _, known := w.known[r.digest]; !known {
		r.held = true
		err = w.out.frame(frameChunk, payload)
	}
	w.refs = append(w.refs, r)
	return err
}
