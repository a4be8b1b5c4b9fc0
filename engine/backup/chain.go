package backup

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"

	"posthorn/ports"
)

// A File is a backup file that is open for reading. Nobody may write to it meanwhile.
type File struct {
	Name string
	Size int64
	From io.ReaderAt
}

// A Chain is a full backup and those that build on it, each on the one before. Everything in it has been checked.
type Chain struct {
	form   form
	files  []File
	last   *Outline
	places map[Digest]place
}

// A place is where the bytes of a chunk are.
type place struct {
	file int
	at   int64
}

// Open reads all files, oldest first, and checks that each is what was written and that they build on each other. It returns
// ports.ErrDamaged for a file that is damaged, and ports.ErrConflict for files that do not belong together in this order. It keeps some 80 bytes
// for each chunk in memory. The files stay the caller's, and open as long as the chain is used.
func Open(files ...File) (*Chain, error) {
	if len(files) == 0 {
		return nil, fmt.Errorf("no backup was given: %w; name a full one, and then those since", ports.ErrConflict)
	}
	c := &Chain{form: newForm(), files: files, places: map[Digest]place{}}
	for i, f := range files {
		o, err := read(io.NewSectionReader(f.From, 0, f.Size), func(chunk found) { c.places[chunk.digest] = place{i, chunk.at} })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		if err := c.follows(i, o); err != nil {
			return nil, err
		}
		c.last = o
	}
	for i, r := range c.last.refs {
		if _, ok := c.places[r.digest]; !ok {
			return nil, fmt.Errorf("%s: %w", files[len(files)-1].Name, refused("no file before it has its chunk %d", i+1))
		}
	}
	return c, nil
}

// follows refuses a file that does not build on the one before.
func (c *Chain) follows(i int, o *Outline) error {
	name := c.files[i].Name
	switch {
	case i == 0 && o.since != nil:
		return fmt.Errorf("%s is refused: it holds only what came since another backup: %w; name that one, %s, before it", name, ports.ErrConflict, *o.since)
	case i == 0:
		return nil
	case o.since == nil:
		return fmt.Errorf("%s is refused: it is a full backup, which builds on none: %w; begin with it, or leave it out", name, ports.ErrConflict)
	case *o.since != c.last.digest:
		return fmt.Errorf("%s is refused: it builds on the backup %s, and %s is %s: %w; name the files in the order in which they were made, each once",
			name, *o.since, c.files[i-1].Name, c.last.digest, ports.ErrConflict)
	}
	return nil
}

// Last says what the newest of the chain is, which is what Restore brings back.
func (c *Chain) Last() Summary { return c.last.Summary() }

// chunk reads one again, and checks it again: the file may have changed.
func (c *Chain) chunk(r ref) (chunk, error) {
	at := c.places[r.digest]
	payload := make([]byte, r.bytes)
	if _, err := c.files[at.file].From.ReadAt(payload, at.at); err != nil {
		return chunk{}, fmt.Errorf("%s: %w", c.files[at.file].Name, refusedRead(err))
	}
	if sum := Digest(sha256.Sum256(payload)); sum != r.digest {
		return chunk{}, fmt.Errorf("%s: %w", c.files[at.file].Name, refused("its chunk %s changed while it was read", r.digest))
	}
	return decodeChunk(c.form, payload)
}

// contents yields all pairs and entries in their order, and refuses any other.
func (c *Chain) contents(yieldPair func(ports.Pair) error, yieldEntry func(ports.Entry) error) error {
	var key []byte
	var seq uint64
	for _, r := range c.last.refs {
		chunk, err := c.chunk(r)
		if err != nil {
			return err
		}
		for i, p := range chunk.Pairs {
			if key != nil && bytes.Compare(p.Key, key) <= 0 {
				return refused("its keys are not in order")
			}
			key = chunk.Pairs[i].Key
			if err := yieldPair(ports.Pair{Key: p.Key, Value: p.Value}); err != nil {
				return err
			}
		}
		for _, e := range chunk.Entries {
			if e.First <= seq || e.Last < e.First || e.Last > c.last.about.LastSeq {
				return refused("the events %d to %d of its log are not in order", e.First, e.Last)
			}
			seq = e.Last
			if err := yieldEntry(ports.Entry{First: e.First, Last: e.Last, Data: slices.Clip(e.Data)}); err != nil {
				return err
			}
		}
	}
	return nil
}
