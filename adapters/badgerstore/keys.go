package badgerstore

import (
	"encoding/binary"

	"posthorn/ports"
)

// The first byte of every Badger key is its class.
const (
	entryPrefix = 'e' // then the stripe, and Last and First, 8 bytes each, big-endian; the value is Data, none for a gap
	pairPrefix  = 'p' // then the caller's key; the value is the caller's
)

// The log lies in stripes: a block of events in each in turn. Retention deletes at the old end of the log while its new end grows, and a table
// of Badger that holds keys of both has all that lies between them written anew. In stripes that is a sixteenth of the log at a time, in
// one piece all of it: see tuning.go.
const (
	stripes     = 16
	blockEvents = 2048
)

func blockOf(seq uint64) uint64 { return seq / blockEvents }

// entryKey has Last before First, so that one seek finds the entry that holds an event. First is in the key too, so that
// holes are found without reading values.
func entryKey(e ports.Entry) []byte {
	return binary.BigEndian.AppendUint64(entryBound(e.Last), e.First)
}

// entryBound is below every entry of its stripe that ends at seq or later, and above all others.
func entryBound(seq uint64) []byte { return stripeBound(blockOf(seq)%stripes, seq) }

func stripeBound(stripe, seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{entryPrefix, byte(stripe)}, seq)
}

func parseEntry(key []byte) ports.Entry {
	return ports.Entry{Last: binary.BigEndian.Uint64(key[2:10]), First: binary.BigEndian.Uint64(key[10:18])}
}

func pairKey(key []byte) []byte {
	return append([]byte{pairPrefix}, key...)
}
