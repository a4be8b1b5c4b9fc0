package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"strings"
)

// frameHead is a letter and a length.
const frameHead = 1 + 4

// frames writes a file.
type frames struct {
	to      io.Writer
	written uint64
	sum     hash.Hash // over all frames but chunks
}

func newFrames(to io.Writer) *frames { return &frames{to: to, sum: sha256.New()} }

func (f *frames) magic() error { return f.write([]byte(magic + version)) }

// frame writes one frame. All but chunks and the end are summed.
func (f *frames) frame(letter byte, payload []byte) error {
	if len(payload) > maxFrame {
		return fmt.Errorf("backup: a part of %d bytes is refused: at most %d fit into one; the store holds a value that is too large for this format",
			len(payload), maxFrame)
	}
	head := binary.BigEndian.AppendUint32([]byte{letter}, uint32(len(payload)))
	if letter != frameChunk && letter != frameEnd {
		f.sum.Write(head)
		f.sum.Write(payload)
	}
	if err := f.write(head); err != nil {
		return err
	}
	return f.write(payload)
}

func (f *frames) write(b []byte) error {
	n, err := f.to.Write(b)
	f.written += uint64(max(n, 0))
	return err
}

// unframes reads a file.
type unframes struct {
	from    io.Reader
	at      int64 // behind what was read
	sum     hash.Hash
	payload bytes.Buffer // of the last frame, valid until the next
}

func newUnframes(from io.Reader) *unframes { return &unframes{from: from, sum: sha256.New()} }

func (u *unframes) magic() error {
	got := make([]byte, len(magic)+len(version))
	if err := u.fill(got); err != nil {
		return err
	}
	switch format, ok := strings.CutPrefix(string(got), magic); {
	case !ok:
		return refused("it does not begin as a backup of Posthorn does")
	case format != version:
		return refused("it has the format %q, and this binary reads %q; another posthorn may read it", format, version)
	}
	return nil
}

// next reads one frame. What a length claims is believed only as far as bytes come.
func (u *unframes) next() (letter byte, payload []byte, err error) {
	head := make([]byte, frameHead)
	if err := u.fill(head); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(head[1:])
	if length > maxFrame {
		return 0, nil, refused("a part of it claims %d bytes, and none has more than %d", length, maxFrame)
	}
	u.payload.Reset()
	n, err := io.CopyN(&u.payload, u.from, int64(length))
	u.at += n
	if err != nil {
		return 0, nil, refusedRead(err)
	}
	if head[0] != frameChunk && head[0] != frameEnd {
		u.sum.Write(head)
		u.sum.Write(u.payload.Bytes())
	}
	return head[0], u.payload.Bytes(), nil
}

// ended refuses what stands behind the end.
func (u *unframes) ended() error {
	switch n, err := io.ReadFull(u.from, make([]byte, 1)); {
	case n > 0:
		return refused("something stands behind its end")
	case err != io.EOF:
		return refusedRead(err)
	}
	return nil
}

func (u *unframes) fill(into []byte) error {
	n, err := io.ReadFull(u.from, into)
	u.at += int64(n)
	if err != nil {
		return refusedRead(err)
	}
	return nil
}
