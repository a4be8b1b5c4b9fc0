// Package backup is the format of backup files, and how one is written from a store and put back into another.
//
// What a store holds is cut into chunks: the pairs in key order, then the entries of the log in theirs. Where a chunk ends follows from the
// keys and sizes of what is in it (cut.go), so that a change moves no boundary elsewhere: what did not change gives the same chunks again. A
// chunk is known by its SHA-256. So a backup is a list of chunks, the index, and an incremental one holds the bytes only of those that the
// index of the one before does not name. What was rewritten, deleted or pruned needs no case of its own: restored are the chunks of the last
// index, each from whichever file of the chain has it.
//
// A file is a line that names the format, then frames of one letter, a length and as many bytes:
//
//	H  the header: engine, time, last seq, digest of the backup that it builds on
//	C  a chunk, any number, in the order of the index
//	I  a part of the index: of each chunk its digest, kind, items, bytes, and whether this file holds it
//	E  the end: SHA-256 over H and all I, which is what the backup is called
//
// Everything in it is under that digest: the chunks through theirs, which the index holds. Without its chunks a file is an outline, which is
// all that the next backup has to know of it.
//
// The format knows ports and nothing of the domain: keys, values and entries are bytes, and what is sealed in them stays so. The master key is
// not in the store, and so not in a backup.
package backup
