package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"posthorn/engine"
)

type logExportCmd struct {
	Data   string `default:"posthorn-data" env:"POSTHORN_DATA" help:"Data directory of a stopped engine." placeholder:"DIR" type:"path"`
	After  uint64 `help:"Only events after this seq." placeholder:"SEQ"`
	Bodies bool   `help:"Add messages' data, versions of resources, and receivers' answers, where they are still kept. They may be personal."`
	Out    string `help:"New file to write, which only its owner may read; without it, stdout." placeholder:"FILE" type:"path"`
}

// Run writes the events as they are at this moment.
func (c *logExportCmd) Run(p *program) (err error) {
	store, err := storeFlags{Data: c.Data}.open(p.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	to, end, err := c.file(p.stdout)
	if err != nil {
		return err
	}
	defer func() { err = end(err) }()
	lines := bufio.NewWriter(to)
	encoder := json.NewEncoder(lines)
	encoder.SetEscapeHTML(false)
	err = engine.Export(p.ctx, store, engine.ExportQuery{After: c.After, Bodies: c.Bodies}, func(e engine.ExportedEvent) error { return encoder.Encode(e) })
	return errors.Join(err, lines.Flush())
}

// file opens what is written to. end syncs it, or takes it away after an error: half an export must not look like a whole one.
func (c *logExportCmd) file(stdout io.Writer) (to io.Writer, end func(error) error, err error) {
	if c.Out == "" {
		return stdout, func(err error) error { return err }, nil
	}
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, nil, refuse("file %s is refused: it exists, and an export overwrites nothing; give --out another name", c.Out)
	}
	if err != nil {
		return nil, nil, exitWith(exitCannotMake, fmt.Errorf("export cannot be written: %w; correct --out", err))
	}
	return f, func(err error) error {
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			err = errors.Join(err, os.Remove(c.Out))
		}
		return err
	}, nil
}
