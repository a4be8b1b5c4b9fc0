package badgerstore

import (
	"sync"

	"github.com/dgraph-io/badger/v4"

	"posthorn/ports"
)

// What is deleted lies on the disk until compaction brings the tombstone and the key together, which by itself it does level by level, each
// when it is full. A reclaimer has it done earlier, when much was deleted that was not young: what is put and deleted within a short time (a
// call's due row) is a small part of what is written, and goes with the usual compaction.
const (
	reclaimFloor = 32 << 20 // bytes; below, a reclaim costs more than it gives back
	reclaimShare = 4        // it waits until this part of all tables is deleted
	reclaimAge   = 4096     // commits; what is deleted earlier is young
	reclaimEvery = 16       // deleted pairs, of which one is looked up
)

// A reclaimer gives disk space back while the store runs. What is deleted is counted by the one caller of Apply; the work is done in a
// goroutine of its own, which holds up neither Apply nor views.
type reclaimer struct {
	db      *badger.DB
	o       Options
	deletes uint64
	bytes   int64 // deleted since the last reclaim
	due     chan struct{}
	done    sync.WaitGroup
}

func newReclaimer(o Options, db *badger.DB) *reclaimer {
	r := &reclaimer{db: db, o: o, due: make(chan struct{}, 1)}
	r.done.Go(r.run)
	return r
}

func (r *reclaimer) run() {
	for range r.due {
		if !r.roomy() {
			continue
		}
		if err := r.db.Flatten(1); err != nil {
			r.o.Logger.Warn("disk space was not given back, it is tried again when more was deleted", "err", err)
		}
		r.o.reached("reclaimed")
	}
}

// roomy tells whether the disk has room for the tables that are written anew before the old ones go, and its floor beside them.
func (r *reclaimer) roomy() bool {
	free, err := r.o.freeSpace(r.o.Dir)
	return err == nil && free >= r.o.DiskFloor+uint64(r.stored())
}

// stored is what all tables hold.
func (r *reclaimer) stored() (bytes int64) {
	for _, level := range r.db.Levels() {
		bytes += level.Size
	}
	return bytes
}

// stop waits for a reclaim under way. Nothing may be counted after it.
func (r *reclaimer) stop() {
	close(r.due)
	r.done.Wait()
}

// count adds what a commit deletes, as the snapshot before it shows it.
func (r *reclaimer) count(txn *badger.Txn, at snapshot, c ports.Commit) {
	for _, key := range c.Deletes {
		if r.deletes++; r.deletes%reclaimEvery > 0 {
			continue
		}
		if item, err := txn.Get(pairKey(key)); err == nil { // only a hint: what is wrong will show elsewhere
			r.add(item, at, reclaimEvery)
		}
	}
}

// add counts a key that is deleted, for as many.
func (r *reclaimer) add(item *badger.Item, at snapshot, as int64) {
	if item.Version()+r.o.reclaimAge <= at.commit {
		r.bytes += as * (item.EstimatedSize() + item.KeySize())
	}
}

// remind has a reclaim begin if enough was deleted. One that is under way goes on alone.
func (r *reclaimer) remind() {
	if r.bytes < r.o.reclaimFloor {
		return
	}
	if r.bytes < r.stored()/reclaimShare {
		return
	}
	select {
	case r.due <- struct{}{}:
		r.bytes = 0
	default: // asked for again with the next commit
	}
}
