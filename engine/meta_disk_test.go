package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"posthorn/adapters/badgerstore"
	"posthorn/adapters/memstore"
	"posthorn/ports"
)

// small is a store whose commits hold little, so that batches are small.
type small struct {
	ports.Store

	part int
}

func (s small) Limits() ports.Limits {
	l := s.Store.Limits()
	l.CommitBytes /= s.part
	l.CommitWrites /= s.part
	return l
}

// A memDisk keeps what was applied, whatever becomes of the engine.
type memDisk struct{ *memstore.Store }

func (d memDisk) open() (ports.Store, error) { return &session{Store: d.Store}, nil }
func (memDisk) crash() error                 { return nil }

// A badgerDisk is a directory that Badger is opened over again and again. What a killed process leaves is a copy of its files: the
// engine that crashed goes on, without knowing it, in the old ones until it is closed.
type badgerDisk struct {
	window *window
	root   string
	dirs   int
}

func (d *badgerDisk) dir() string { return filepath.Join(d.root, fmt.Sprint(d.dirs)) }

func (d *badgerDisk) open() (ports.Store, error) {
	var store *badgerstore.Store
	var err error
	d.window.do(func() {
		store, err = badgerstore.Open(context.Background(), badgerstore.Options{Dir: d.dir(), Logger: slog.New(slog.DiscardHandler), DiskFloor: 1})
	})
	return distant{d.window, store}, err
}

// crash copies what is there. Nothing is written any more, but Badger may still be flushing what it found when it was opened: a copy during
// which the files changed is thrown away.
func (d *badgerDisk) crash() (err error) {
	from := d.dir()
	d.dirs++
	d.window.do(func() {
		for before, after := "", "changed"; before != after; after = listing(from) {
			before = listing(from)
			err = errors.Join(os.RemoveAll(d.dir()), copyDir(from, d.dir()))
		}
	})
	return err
}

func listing(dir string) string {
	var b strings.Builder
	files, err := os.ReadDir(dir)
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			fmt.Fprintln(&b, f.Name(), info.Size(), info.ModTime())
		}
	}
	fmt.Fprintln(&b, err)
	return b.String()
}

func copyDir(from, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := copyFile(filepath.Join(from, f.Name()), filepath.Join(to, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

// copyFile leaves holes as they are: Badger's files are little else.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	size, err := copyParts(in, out)
	return errors.Join(err, out.Truncate(size), out.Close())
}

func copyParts(in io.Reader, out io.WriterAt) (size int64, err error) {
	part, zeros := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(in, part)
		if !bytes.Equal(part[:n], zeros[:n]) {
			if _, err := out.WriteAt(part[:n], size); err != nil {
				return size, err
			}
		}
		size += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}
