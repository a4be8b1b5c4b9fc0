package backup

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/fnv"

	"posthorn/ports"
)

// How large chunks are, counted over keys, values and a little for each item. A smaller chunk makes what comes since the last backup smaller
// where companies are many, for each has its own place in the order of keys; a larger one makes the index smaller: 1 GiB is 8,192 chunks.
const (
	chunkBytes    = 128 << 10 // on average
	maxChunkBytes = 4 * chunkBytes
	itemBytes     = 16 // what an item counts beside its bytes
)

// A cutter gathers items until a chunk is full. Its bytes are used again for the next.
type cutter struct {
	form  form
	bytes []byte // keys and values of the chunk
	chunk chunk
	size  int
}

// newCutter begins with lists that are there: one that is not is written otherwise than an empty one.
func newCutter(form form) cutter {
	return cutter{form: form, bytes: make([]byte, 0, maxChunkBytes), chunk: chunk{Pairs: []pair{}, Entries: []entry{}}}
}

// add counts an item and says whether the chunk ends with it. That follows from the item alone: each byte of it has the same
// chance to end a chunk, so that chunks are of about the same size whatever they hold. A chunk that grew to the largest size ends too,
// and those behind it are cut otherwise up to the next item that ends one by itself.
func (c *cutter) add(key []byte, size int) (full bool) {
	c.size += size
	sum := fnv.New64a()
	_, _ = sum.Write(key) // it never fails
	return sum.Sum64()>>32%chunkBytes < uint64(size) || c.size >= maxChunkBytes
}

func (c *cutter) pair(p ports.Pair) (full bool) {
	c.chunk.Kind = kindPairs
	c.chunk.Pairs = append(c.chunk.Pairs, pair{Key: c.kept(p.Key), Value: c.kept(p.Value)})
	return c.add(p.Key, len(p.Key)+len(p.Value)+itemBytes)
}

func (c *cutter) entry(e ports.Entry) (full bool) {
	c.chunk.Kind = kindEntries
	c.chunk.Entries = append(c.chunk.Entries, entry{First: e.First, Last: e.Last, Data: c.kept(e.Data)})
	return c.add(binary.BigEndian.AppendUint64(nil, e.Last), len(e.Data)+itemBytes)
}

func (c *cutter) kept(b []byte) []byte {
	at := len(c.bytes)
	c.bytes = append(c.bytes, b...)
	return c.bytes[at:len(c.bytes):len(c.bytes)]
}

// take encodes the chunk and begins the next; ok is false for one without items.
func (c *cutter) take() (payload []byte, r ref, ok bool, err error) {
	items := len(c.chunk.Pairs) + len(c.chunk.Entries)
	if items == 0 {
		return nil, r, false, nil
	}
	if payload, err = c.form.Marshal(c.chunk); err != nil {
		return nil, r, false, err
	}
	r = ref{
		digest: sha256.Sum256(payload), kind: uint8(c.chunk.Kind),
		items: uint32(items), bytes: uint32(len(payload)),
	}
	clear(c.chunk.Pairs)
	clear(c.chunk.Entries)
	c.chunk.Pairs, c.chunk.Entries, c.bytes, c.size = c.chunk.Pairs[:0], c.chunk.Entries[:0], c.bytes[:0], 0
	return payload, r, true, nil
}
