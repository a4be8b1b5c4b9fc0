package core

import (
	"strings"
	"time"

	"posthorn/ports"
)

// A row may be stored otherwise than it is used: without what its key says, and with stamps for the times of a public struct.
type (
	// packed rows are readied for being written.
	packed interface{ pack() }
	// keyed rows are completed after being read, from the parts of the key that follow the row's kind. unpack is false when there are more or
	// fewer of them.
	keyed interface{ unpack(parts []string) bool }
)

func writeRow(row any) ([]byte, error) {
	if p, ok := row.(packed); ok {
		p.pack()
	}
	return stored.Marshal(row)
}

func readRow(k, value []byte, row any) error {
	err := stored.unmarshal(value, row)
	if keyed, ok := row.(keyed); ok && err == nil && !keyed.unpack(keyParts(k)) || err != nil {
		return damaged("row", string(k))
	}
	return nil
}

// keyParts returns what follows the row's kind in its key.
func keyParts(k []byte) []string {
	parts := strings.Split(string(k), "\x00")
	return parts[min(2, len(parts)):]
}

// The parsers below give queries and lanes the rows that a scan found.

func parse[T any](pair ports.Pair) (T, error) {
	var row T
	err := readRow(pair.Key, pair.Value, &row)
	return row, err
}

// ParseWebhook reads a webhook's row, with where its secrets and its headers are in the vault; ok is false for a deleted one.
func ParseWebhook(pair ports.Pair) (w Webhook, sealed SealedItems, ok bool, err error) {
	row, err := parse[webhookRow](pair)
	if err != nil {
		return Webhook{}, SealedItems{}, false, err
	}
	return row.Webhook, row.sealed(), !row.Deleted, nil
}

// ParseCall reads a call's row, with the places of its events in the log.
func ParseCall(pair ports.Pair) (c Call, hasData bool, seqs []uint64, err error) {
	row, err := parse[callRow](pair)
	return row.Call, row.HasData, row.Seqs, err
}

// ParseResource reads a resource's row; ok is false for a deleted one.
func ParseResource(pair ports.Pair) (v ResourceVersion, createdAt, updatedAt time.Time, ok bool, err error) {
	row, err := parse[resourceRow](pair)
	return row.current(), row.CreatedAt.Time(), row.UpdatedAt.Time(), err == nil && !row.Deleted, err
}

// ParseJob reads a job's row.
func ParseJob(pair ports.Pair) (Job, error) { return parse[Job](pair) }
