package badgerstore

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/dgraph-io/badger/v4/y"
)

// The form of the log of a memtable, as Badger writes it without encryption (its structs.go and memtable.go): a head, and then for each
// key of a transaction meta, user meta, three varints (key and value length, expiry), key, value, CRC-32C of all that; at the end of
// the transaction the same with bitFinTxn, whose value is the transaction's number in digits. What lies behind is zero.
const (
	logHead   = 20
	bitTxn    = 1 << 6
	bitFinTxn = 1 << 7
)

var (
	errLogEnds = errors.New("the log ends here")
	errLogHead = errors.New("its head is not what was written")
)

// A span is the commits that a log holds, whole and in order; newest is 0 for none.
type span struct{ oldest, newest uint64 }

// readLogs returns the commits that Badger would find in the logs of the memtables in dir.
func readLogs(dir string) (span, error) {
	all := span{oldest: math.MaxUint64}
	logs, err := listFiles(dir, "*.mem", "*.vlog")
	if err != nil {
		return all, err
	}
	for _, path := range logs {
		one, err := readLog(path)
		if errors.Is(err, errLogHead) {
			return all, damaged(dir, fmt.Errorf("%s: %w", filepath.Base(path), err))
		}
		if err != nil {
			return all, fmt.Errorf("data directory %s: %s cannot be read: %w; let this user read it", dir, filepath.Base(path), err)
		}
		if one.newest > 0 {
			all.oldest, all.newest = min(all.oldest, one.oldest), max(all.newest, one.newest)
		}
	}
	return all, nil
}

// readLog reads a log as Badger does, up to the first transaction that is not whole. The value log has the same form, and nothing in it.
func readLog(path string) (s span, err error) {
	f, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	r := bufio.NewReaderSize(f, 1<<20)
	head, err := r.Peek(logHead)
	if err != nil {
		return s, ignoreEnd(err)
	}
	if binary.BigEndian.Uint64(head) != 0 { // the number of the key that it is encrypted with
		return s, errLogHead
	}
	_, _ = r.Discard(logHead) // it was there
	pending := uint64(0)
	for {
		meta, key, value, err := readRecord(r)
		if err != nil {
			return s, ignoreEnd(err)
		}
		switch {
		case meta&bitTxn > 0 && (pending == 0 || pending == y.ParseTs(key)):
			pending = y.ParseTs(key)
		case meta&bitFinTxn > 0 && string(value) == strconv.FormatUint(pending, 10):
			if s.newest, pending = pending, 0; s.oldest == 0 {
				s.oldest = s.newest
			}
		default:
			return s, nil
		}
	}
}

// readRecord returns errLogEnds for anything but a whole record.
func readRecord(r *bufio.Reader) (meta byte, key, value []byte, err error) {
	sum := crc32.New(y.CastagnoliCrcTable)
	in := &summed{r: r, sum: sum}
	if meta, err = in.ReadByte(); err != nil {
		return 0, nil, nil, err
	}
	_, err = in.ReadByte()
	keyLen, err1 := binary.ReadUvarint(in)
	valueLen, err2 := binary.ReadUvarint(in)
	_, err3 := binary.ReadUvarint(in)
	if errors.Join(err, err1, err2, err3) != nil || keyLen < 8 || keyLen > 1<<16 || valueLen > vlogAbove {
		return 0, nil, nil, errLogEnds // a key has its version at the end
	}
	body := make([]byte, keyLen+valueLen)
	_, err = io.ReadFull(in, body)
	want := sum.Sum32()
	var got [crc32.Size]byte
	if _, err1 := io.ReadFull(r, got[:]); errors.Join(err, err1) != nil || binary.BigEndian.Uint32(got[:]) != want {
		return 0, nil, nil, errLogEnds
	}
	return meta, body[:keyLen], body[keyLen:], nil
}

// A summed reader takes the checksum of what is read.
type summed struct {
	r   *bufio.Reader
	sum io.Writer
}

// Read implements io.Reader.
func (s *summed) Read(into []byte) (int, error) {
	n, err := s.r.Read(into)
	_, _ = s.sum.Write(into[:n]) // a hash never fails
	return n, err
}

// ReadByte implements io.ByteReader.
func (s *summed) ReadByte() (byte, error) {
	b, err := s.r.ReadByte()
	if err == nil {
		_, _ = s.sum.Write([]byte{b})
	}
	return b, err
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, errLogEnds) {
		return nil
	}
	return err
}
