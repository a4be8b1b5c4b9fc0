package core

import (
	"errors"

	"github.com/fxamacker/cbor/v2"
)

// What is stored, entries of the log and rows, is CBOR (RFC 8949) with fields by number. A number means the same in every event and
// row, and never anything else later: testdata/fields.golden lists them all, and TestFieldNumbers holds it. Numbers up to 23 take one byte;
// they went to what every call stores.

// stored is the one form of all that is stored.
var stored = newForm() //nolint:gochecknoglobals // immutable, as a compiled pattern is; rows are read without a Codec at hand

// A form writes and reads structs whose fields have numbers. It is immutable.
type form struct {
	cbor.EncMode
	reading cbor.DecMode
}

// newForm writes deterministically (RFC 8949, section 4.2.1), so that the same rows are the same bytes. A damaged disk is input from outside,
// so reading refuses what is never written: tags, lengths without end, numbers of no field, numbers that come twice. It panics when the
// library does not know an option, which the first test would see.
func newForm() form {
	encoding, err := cbor.CoreDetEncOptions().EncMode()
	decoding, decodingErr := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden, UTF8: cbor.UTF8RejectInvalid,
		MaxNestedLevels:  8,       // an entry needs 6
		MaxArrayElements: 1 << 20, // a plan names a webhook in 31 bytes, and a commit has a few MiB
		MaxMapPairs:      64,      // there are fewer numbers
	}.DecMode()
	if err := errors.Join(err, decodingErr); err != nil {
		panic("the form of what is stored: " + err.Error())
	}
	return form{EncMode: encoding, reading: decoding}
}

// unmarshal reads the fields of a struct. CBOR's null would leave the struct as it is, and is refused with all else that is no map.
func (f form) unmarshal(data []byte, into any) error {
	const majorType, mapType = 5, 5 // RFC 8949, section 3: the upper three bits of the first byte
	if len(data) == 0 || data[0]>>majorType != mapType {
		return errors.New("it is not a map of fields")
	}
	return f.reading.Unmarshal(data, into)
}
