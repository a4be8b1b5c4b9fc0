package core

import (
	"encoding/json"
	"time"

	"posthorn/ports"
)

// The parsers of this file give queries and lanes the rows that a scan found.

func parse[T any](pair ports.Pair) (T, error) {
	var row T
	if err := json.Unmarshal(pair.Value, &row); err != nil {
		return row, damaged("row", string(pair.Key))
	}
	return row, nil
}

// ParseWebhook reads a webhook's row; ok is false for a deleted one.
func ParseWebhook(pair ports.Pair) (w Webhook, secretDigest string, ok bool, err error) {
	row, err := parse[webhookRow](pair)
	return row.Webhook, row.SecretDigest, err == nil && !row.Deleted, err
}

// ParseCall reads a call's row, with the places of its events in the log.
func ParseCall(pair ports.Pair) (c Call, hasData bool, seqs []uint64, err error) {
	row, err := parse[callRow](pair)
	return row.Call, row.HasData, row.Seqs, err
}

// ParseResource reads a resource's row; ok is false for a deleted one.
func ParseResource(pair ports.Pair) (v ResourceVersion, createdAt, updatedAt time.Time, ok bool, err error) {
	row, err := parse[resourceRow](pair)
	return row.ResourceVersion, row.CreatedAt, row.UpdatedAt, err == nil && !row.Deleted, err
}

// ParseJob reads a job's row.
func ParseJob(pair ports.Pair) (Job, error) { return parse[Job](pair) }
