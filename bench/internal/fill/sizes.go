package fill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"posthorn/adapters/badgerstore"
	"posthorn/engine/core"
	"posthorn/ports"
)

// Sizes are what the parts of a store hold, in bytes of keys and values, without what the store adds to them.
type Sizes struct{ Log, Rows, Vault int64 }

// SizesOf reads a whole store, which nobody else has open.
func SizesOf(ctx context.Context, dir string) (sizes Sizes, err error) {
	store, err := badgerstore.Open(ctx, badgerstore.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return sizes, fmt.Errorf("sizes of %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	err = store.View(ctx, func(r ports.Reader) error {
		for e, err := range r.Entries(0) {
			if err != nil {
				return err
			}
			sizes.Log += int64(len(e.Data)) + entryKeyBytes
		}
		from, to := core.RowRange()
		rows, err := sum(r, from, to)
		if err != nil {
			return err
		}
		sizes.Rows = rows
		from, to = core.VaultRange()
		sizes.Vault, err = sum(r, from, to)
		return err
	})
	if err != nil {
		return sizes, fmt.Errorf("sizes of %s: %w", dir, err)
	}
	return sizes, nil
}

// entryKeyBytes is what badgerstore writes as the key of an entry: a class, and two numbers.
const entryKeyBytes = 1 + 8 + 8

func sum(r ports.Reader, from, to []byte) (bytes int64, err error) {
	for pair, err := range r.Scan(from, to, false) {
		if err != nil {
			return 0, err
		}
		bytes += int64(len(pair.Key) + len(pair.Value))
	}
	return bytes, nil
}
