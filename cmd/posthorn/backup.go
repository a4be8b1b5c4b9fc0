package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"posthorn"
	"posthorn/engine"
	"posthorn/engine/backup"
	"posthorn/ports"
)

type backupCmd struct {
	clientFlags

	Data  string `help:"Data directory of a stopped engine, in place of --server." placeholder:"DIR" type:"path"`
	Out   string `help:"New file to write, which only its owner may read." placeholder:"FILE" required:"" type:"path"`
	Since string `help:"Write only what this backup has not. To restore, both are needed, and all that this one needs." placeholder:"FILE" type:"path"`
}

// Run makes a backup. It gets its name when it is whole and synced, so that one that was cut off is never taken for one.
func (c *backupCmd) Run(p *program) error {
	if _, err := os.Lstat(c.Out); !errors.Is(err, fs.ErrNotExist) {
		return c.exists()
	}
	since, err := c.before()
	if err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(c.Out), filepath.Base(c.Out)+".part-") // with mode 0600
	if err != nil {
		return exitWith(exitCannotMake, fmt.Errorf("backup cannot be written: %w; correct --out", err))
	}
	made, err := c.write(p, part, since)
	if err = errors.Join(err, part.Sync(), part.Close()); err == nil {
		err = c.name(part.Name())
	}
	if err != nil {
		return errors.Join(err, os.Remove(part.Name()))
	}
	return p.print(c.JSON, made, func(t table) { showBackup(t, c.Out, made) })
}

func (c *backupCmd) exists() error {
	return refuse("file %s is refused: it exists, and a backup overwrites nothing; give --out another name", c.Out)
}

// before reads the backup that this one builds on, all of it: one that is damaged is nothing to build on.
func (c *backupCmd) before() (*backup.Outline, error) {
	if c.Since == "" {
		return nil, nil //nolint:nilnil // a full one builds on none
	}
	f, err := os.Open(c.Since)
	if err != nil {
		return nil, exitWith(exitUsage, fmt.Errorf("backup cannot be read: %w; correct --since", err))
	}
	defer func() { _ = f.Close() }() // it was only read
	o, err := posthorn.ReadBackup(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Since, err)
	}
	return o, nil
}

func (c *backupCmd) write(p *program, to io.Writer, since *backup.Outline) (made backup.Summary, err error) {
	if c.Data == "" {
		client, err := c.open()
		if err != nil {
			return made, err
		}
		made, err = client.Backup(p.ctx, to, since)
		return made, clientError(interrupted(p.ctx, err))
	}
	store, err := storeFlags{Data: c.Data}.open(p.ctx)
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	made, err = engine.Backup(p.ctx, store, to, since)
	return made, interrupted(p.ctx, err)
}

// interrupted makes Ctrl-C an error: who asked for a backup has none.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return exitWith(exitFailed, fmt.Errorf("interrupted: %w; run it again", err))
	}
	return err
}

// name gives the file its name, unless there is one meanwhile.
func (c *backupCmd) name(part string) error {
	if _, err := os.Lstat(c.Out); !errors.Is(err, fs.ErrNotExist) {
		return c.exists()
	}
	if err := os.Rename(part, c.Out); err != nil {
		return exitWith(exitCannotMake, fmt.Errorf("backup cannot be named: %w; correct --out", err))
	}
	dir, err := os.Open(filepath.Dir(c.Out))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func showBackup(t table, file string, s backup.Summary) {
	t.field("file", file)
	t.field("digest", s.Digest)
	if s.Since != nil {
		t.field("since", s.Since)
	}
	t.field("engine", s.Engine)
	t.field("at", s.At)
	t.field("last seq", s.LastSeq)
	t.field("bytes", s.Bytes)
	t.field("chunks", fmt.Sprintf("%d, %d of them in this file", s.Chunks, s.Held))
}

type restoreCmd struct {
	Data  string   `default:"posthorn-data" env:"POSTHORN_DATA" help:"Directory to restore into: empty, or to be made." placeholder:"DIR" type:"path"`
	JSON  bool     `help:"Print the report as one JSON document." name:"json"`
	Files []string `arg:"" help:"A full backup, and those made since, oldest first." name:"file" type:"path"`
}

// Run checks all files, and then fills the directory.
func (c *restoreCmd) Run(p *program) error {
	keepPrivate()
	report, err := posthorn.Restore(p.ctx, posthorn.Options{Dir: c.Data, Logger: slog.New(slog.DiscardHandler)}, c.Files...)
	switch {
	case errors.Is(err, ports.ErrConflict), errors.Is(err, fs.ErrNotExist):
		return exitWith(exitUsage, err)
	case errors.Is(err, ports.ErrDamaged):
		return exitWith(exitFailed, err)
	case err != nil:
		return exitWith(openCode(err), err)
	}
	return p.print(c.JSON, report, func(t table) {
		t.field("engine", report.Engine)
		t.field("made at", report.At)
		t.field("last seq", report.LastSeq)
		t.field("entries", report.Entries)
		t.field("gaps", report.Gaps)
		t.field("pairs", report.Pairs)
		t.field("next", "put secret.key of that time into "+c.Data+", run posthorn log verify --data "+c.Data+", then start the engine")
	})
}
