package main

import (
	"errors"
	"fmt"
	"log/slog"

	"posthorn/adapters/badgerstore"
	"posthorn/ports"
)

type storeCmd struct {
	Compact storeCompactCmd `cmd:"" help:"Give back the disk space of a stopped engine's store, and every byte of what was erased, deleted or overwritten."`
}

type storeCompactCmd struct{ storeFlags }

// A compactReport is what store compact prints.
type compactReport struct {
	BytesBefore int64 `json:"bytesBefore"`
	BytesAfter  int64 `json:"bytesAfter"`
}

// Run writes the store anew, without what is gone.
func (c *storeCompactCmd) Run(p *program) error {
	if err := c.check(); err != nil {
		return err
	}
	keepPrivate()
	sizes, err := badgerstore.Compact(p.ctx, badgerstore.Options{Dir: c.Data, Logger: slog.New(slog.DiscardHandler)})
	switch {
	case errors.Is(err, ports.ErrDamaged):
		return exitWith(exitFailed, err)
	case p.ctx.Err() != nil:
		return fmt.Errorf("%s is as it was: %w; run it again", c.Data, p.ctx.Err())
	case err != nil:
		return exitWith(openCode(err), err)
	}
	report := compactReport{BytesBefore: sizes.Before, BytesAfter: sizes.After}
	return p.print(c.JSON, report, func(t table) {
		t.field("bytes before", report.BytesBefore)
		t.field("bytes after", report.BytesAfter)
	})
}
