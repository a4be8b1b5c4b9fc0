package badgerstore

import (
	"encoding/binary"

	"posthorn/ports"
)

// The first byte of every Badger key is its class.
const (
	entryPrefix = 'e' // then Last and First, 8 bytes each, big-endian; the value is Data, none for a gap
	pairPrefix  = 'p' // then the caller's key; the value is the caller's
)

// entryKey begins with Last, so that one seek finds the entry that holds an event. First is in the key too, so that
// holes are found without reading values.
func entryKey(e ports.Entry) []byte {
	return binary.BigEndian.AppendUint64(entryBound(e.Last), e.First)
}

// entryBound is below every entry that ends at seq or later, and above all others.
func entryBound(seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{entryPrefix}, seq)
}

func parseEntry(key []byte) ports.Entry {
	return ports.Entry{Last: binary.BigEndian.Uint64(key[1:9]), First: binary.BigEndian.Uint64(key[9:17])}
}

func pairKey(key []byte) []byte {
	return append([]byte{pairPrefix}, key...)
}
