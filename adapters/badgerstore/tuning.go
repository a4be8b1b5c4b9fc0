package badgerstore

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// Badger takes at most 15 % of a memtable in one transaction (2,516,582 bytes of 16 MiB), counted with 12 bytes and the
// class for each write and 16 for the key of an entry. With the most writes that is 8192 * 29 bytes beside commitBytes.
const (
	memTableSize = 16 << 20
	commitBytes  = 2 << 20
	commitWrites = 8192
	keyBytes     = 60_000        // Badger's most is 65,000 with its own
	valueBytes   = 1<<20 - 1<<10 // below the threshold of the value log
	vlogAbove    = 1 << 20       // the highest threshold that Badger allows
	vlogFileSize = vlogAbove     // the least; the file stays empty
)

// badgerOptions are the settings for a store inside another program. Measured on 2 shared cores, where one run differs
// from the next by a tenth, and a virtual disk that syncs in 0.1 ms, with BenchmarkApply (300 bytes a write):
//
//   - Commits of 64 writes: 115,000 writes/s in 1,800 commits/s; of 256: 185,000 in 730. Without any sync the former make
//     187,000, the latter 215,000: large commits wait for the tree more than for the disk.
//   - Memtables of 8 MiB cost a fifth with large commits, for they are flushed and merged more often; 32 and 64 MiB gain
//     nothing. Five memtables, four compactors and Snappy gain nothing (the benchmark's bytes do not compress).
//   - 200,000 candidates through the whole engine without a pause: a base level of 512 MiB takes a quarter less processor time
//     than one of 64 MiB, and sixteen tables at level 0 a sixth less than eight, for compaction writes less. What compaction
//     costs most is memory: Badger keeps up to eight table builders, each as large as the largest memtable that it has
//     flushed, about 200 MB on the heap of the collector. Under GOMEMLIMIT=256MiB the collector then never rests: 350 us a
//     candidate, with 400MiB 205.
//   - Another company's calls beside a flood, a minute of `bench fairness -rate 100 -conns 64`: with 1 GiB and 32 tables the slowest
//     hundredth is late by 7.6 to 9.6 ms, with half of both by 9.7 to 11.5, with 64 MiB and four tables by 15 to 16.
//   - 72,000 writes/s, paced, for 20 s: an Apply takes 3 ms in the median, 40 ms at 99 %, 120 to 220 ms at most.
//   - Anonymous memory of the process: 3 MiB with an empty store, 11 MiB after opening 250 MiB. Mapped tables, 50 to 250 MiB
//     here, count as resident too, but the kernel takes them back when it needs to.
//
// How much the disk holds at the most, of what is alive, and the processor time of a call under retention, with BenchmarkRetention (a machine
// whose pace changed by a half meanwhile):
//
//   - 332 MiB alive: with forgetfully 1.38, 242 us; with levels that grow by 10 1.42 to 1.45, 208 to 216 us; with four tables at level 0 1.44,
//     213 us, and three are too many for 1.5 in `make bench/retention` (1.54). While nothing is forgotten yet (`bench rate -retention 1h`)
//     compaction takes a tenth of all processor time with two tables, a twenty-fifth with four.
//   - The log in one piece, and 16 tables at level 0 over 512 MiB: 2.25, 240 us. A table that holds the last of what is deleted and the first
//     of what is new overlaps all that lies between.
//   - 166 MiB alive, of which the logs of the memtables are a fifth, two tables at level 0 over 32 MiB: 1.55; in one piece 1.74, in 8 stripes
//     1.56, in 32 1.62; without the reclaimer 2.09; over 16 MiB 1.69; with tables of 1 MiB 1.68.
//
// Each table is one open file and one mapping: about 500 for a gigabyte.
func badgerOptions(dir string) badger.Options {
	o := badger.DefaultOptions(dir)
	o.SyncWrites = !syncsItself // see durable.go
	o.DetectConflicts = false   // there is one writer
	o.BypassLockGuard = true    // dirLock holds the directory
	o.MetricsEnabled = false    // Badger's are expvars, global to the process
	o.ValueThreshold = vlogAbove
	o.ValueLogFileSize = vlogFileSize
	o.MemTableSize = memTableSize
	o.NumMemtables = 3
	o.NumLevelZeroTables = 32
	o.NumLevelZeroTablesStall = 48
	o.BaseLevelSize = 1 << 30 // few levels: each one more writes the same rows again, see above
	o.BaseTableSize = 2 << 20
	o.NumCompactors = 2 // the least; the machine is shared with the engine
	o.Compression = options.None
	o.BlockCacheSize = 0
	o.IndexCacheSize = 0 // without encryption Badger reads indexes from the mapped tables, caches or not
	// Verified by inspect, once. While it runs, Badger takes a bad block for the end of a table: a checksum at each read
	// would turn a wrong value into a missing one, and compaction would then drop the rest of the table.
	o.ChecksumVerificationMode = options.NoVerification
	return o
}

// forgetfully has Badger compact earlier, in smaller pieces: what is deleted lies on the disk until then.
func forgetfully(o badger.Options) badger.Options {
	o.NumLevelZeroTables = 2
	o.NumLevelZeroTablesStall = 10
	o.BaseLevelSize = 32 << 20
	o.LevelSizeMultiplier = 20 // two levels up to 640 MiB
	return o
}

// openBadger turns what Badger says or panics with into ErrDamaged, unless it is the operating system that refused.
func openBadger(o Options, readOnly bool) (db *badger.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			db, err = nil, damaged(o.Dir, fmt.Errorf("panic in Badger: %.200v", p))
		}
	}()
	settings := badgerOptions(o.Dir).WithLogger(logger{o.Logger}).WithReadOnly(readOnly)
	if o.Forgetful {
		settings = forgetfully(settings)
	}
	db, err = badger.OpenManaged(settings)
	if err != nil {
		return nil, refused(o.Dir, err)
	}
	return db, nil
}

func refused(dir string, err error) error {
	var file *fs.PathError
	var number syscall.Errno
	if errors.As(err, &file) || errors.As(err, &number) {
		return fmt.Errorf("data directory %s cannot be used: %w; mend that and start again", dir, err)
	}
	return damaged(dir, err)
}
