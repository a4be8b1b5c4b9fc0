package ports

import (
	"context"
	"iter"
)

// A Store keeps the log and, beside it, pairs of keys and values, on one disk or in memory.
//
// The log is a sequence of entries. An entry covers the events First to Last; the next entry begins at Last + 1, and
// the first event of all is 1. An entry may be rewritten or removed later, which moves no other: their numbers stay.
// Pairs live in one flat key space, ordered bytewise. The store knows the meaning of neither.
//
// All methods may be called from many goroutines at once, but for Apply, which has one caller at a time.
type Store interface {
	// Apply stores a commit whole or not at all. When it returns nil the commit is durable: it survives the end of the
	// process and, where the store is on a disk, a loss of power (it is synced).
	//
	// Apply returns ErrOutOfOrder when the first entry does not begin at the last stored event + 1 or the entries leave
	// a gap, ErrNotFound when a rewrite names no entry of the log, ErrTooLarge when the commit is over Limits, ErrDiskLow when the
	// disk is below its floor, and ErrClosed after Close: in these five cases nothing was stored. After any other error it is
	// unknown whether the commit is stored, and the caller must not write again until the store has been opened anew.
	//
	// A key is named at most once in a commit, and so is an entry. Deleting a key that does not exist is no error. The context can stop an
	// Apply only before it begins. The caller keeps its slices and may change them once Apply has returned.
	Apply(ctx context.Context, c Commit) error

	// View calls read with a consistent snapshot: everything applied before View was called, nothing applied after.
	// Views do not wait for an Apply, nor an Apply for them. The Reader is valid until read returns and is for one goroutine. View
	// returns what read returned, or ErrClosed after Close.
	View(ctx context.Context, read func(Reader) error) error

	// Limits says how large a commit may be. It does not change while the store is open.
	Limits() Limits

	// Close waits for views and an Apply under way, then releases everything. It is idempotent.
	Close() error
}

// A Reader reads one snapshot of a Store.
type Reader interface {
	// Get returns the value of key, or ErrNotFound. The caller owns the slice.
	Get(key []byte) ([]byte, error)

	// Scan yields the pairs with from <= key < to in key order, or from the largest to the smallest if reverse is set.
	// A nil to means no upper bound. Both slices of a pair are valid only until the next step. An error ends the scan
	// and is yielded with a zero Pair.
	Scan(from, to []byte, reverse bool) iter.Seq2[Pair, error]

	// Entries yields, in order, every entry that holds an event after seq; the first one may hold events up to seq too.
	// Where entries were removed it goes on with the next one that is left. Entry.Data is valid only until the next step. An error
	// ends the run and is yielded with a zero Entry.
	Entries(after uint64) iter.Seq2[Entry, error]

	// LastSeq returns the number of the last event that was ever stored, be its entry removed or not; 0 if there was none.
	LastSeq() (uint64, error)
}

// A Commit is what one Apply stores.
type Commit struct {
	// Entries are appended to the log.
	Entries []Entry
	// Rewrites names entries that an earlier commit has stored, by First and Last: their Data becomes this one. Where Data
	// is nil the entry is removed, and its events leave a gap.
	Rewrites []Entry
	Puts     []Pair
	Deletes  [][]byte
}

// An Entry is one piece of the log: the events First to Last, encoded.
type Entry struct {
	First, Last uint64
	Data        []byte
}

// A Pair is a key with its value.
type Pair struct {
	Key, Value []byte
}

// Limits of a store. All are counted over keys and values, without the store's own overhead.
type Limits struct {
	// CommitBytes is the most bytes one commit may hold.
	CommitBytes int
	// CommitWrites is the most entries, puts, deletes and RewriteWrites for each rewrite that one commit may hold together.
	CommitWrites int
	// ValueBytes is the most bytes one value or one entry may hold.
	ValueBytes int
}

// RewriteWrites is what one rewrite counts in Limits.CommitWrites: for an entry that is removed a store may have to note
// the gap and to join it with those on both sides.
const RewriteWrites = 4
