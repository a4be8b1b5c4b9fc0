package engine_test

import (
	"context"
	"errors"
	"iter"
	"slices"

	"posthorn/ports"
)

// A window lets engines in a bubble use stores outside of it. Badger cannot live in a bubble: its tickers would never let fake time come
// to rest. What passes the window are functions, run by goroutines from outside over channels from outside; the bubble's clock stands
// still meanwhile, so that a store behind the window takes no time.
type window struct {
	lines chan line
	shut  chan struct{}
	done  chan struct{}
}

// A line runs one function after the other; each is done before the next is asked for.
type line struct {
	ask  chan func()
	done chan struct{}
}

// newWindow is called outside of the bubble; close ends it when all lines have been hung up.
func newWindow() *window {
	w := &window{lines: make(chan line), shut: make(chan struct{}), done: make(chan struct{})}
	go w.serve() // joined by close
	return w
}

func (w *window) close() {
	close(w.shut)
	<-w.done
}

func (w *window) serve() {
	defer close(w.done)
	for {
		l := line{ask: make(chan func()), done: make(chan struct{})}
		select {
		case w.lines <- l:
			go l.serve() // ends when the line is hung up, which every user does
		case <-w.shut:
			return
		}
	}
}

func (l line) serve() {
	for f := range l.ask {
		f()
		l.done <- struct{}{}
	}
}

func (l line) do(f func()) {
	l.ask <- f
	<-l.done
}

// do runs f outside.
func (w *window) do(f func()) {
	l := <-w.lines
	defer close(l.ask)
	l.do(f)
}

// A distant is a store behind a window.
type distant struct {
	window *window
	store  ports.Store
}

var _ ports.Store = distant{}

func (d distant) Limits() ports.Limits { return d.store.Limits() }

func (d distant) Apply(_ context.Context, c ports.Commit) (err error) {
	d.window.do(func() { err = d.store.Apply(context.Background(), c) })
	return err
}

func (d distant) Close() (err error) {
	d.window.do(func() { err = d.store.Close() })
	return err
}

// View runs read in the bubble, over a snapshot that is held open outside.
func (d distant) View(_ context.Context, read func(ports.Reader) error) error {
	l := <-d.window.lines
	var r distantReader
	var viewed error
	l.do(func() {
		// The view lasts until the line is hung up: it takes over the line's work, and first tells that it is open.
		viewed = d.store.View(context.Background(), func(reader ports.Reader) error {
			r = distantReader{line: l, reader: reader}
			l.done <- struct{}{}
			for f := range l.ask {
				f()
				l.done <- struct{}{}
			}
			return nil
		})
	})
	if r.reader == nil {
		close(l.ask)
		return viewed
	}
	err := read(r)
	close(l.ask)
	<-l.done
	return errors.Join(err, viewed)
}

// A distantReader fetches what a range holds at once: the stores of tests are small.
type distantReader struct {
	line   line
	reader ports.Reader
}

func (r distantReader) Get(key []byte) (value []byte, err error) {
	r.line.do(func() { value, err = r.reader.Get(key) })
	return value, err
}

func (r distantReader) LastSeq() (seq uint64, err error) {
	r.line.do(func() { seq, err = r.reader.LastSeq() })
	return seq, err
}

func (r distantReader) Scan(from, to []byte, reverse bool) iter.Seq2[ports.Pair, error] {
	return fetched(r.line, func() iter.Seq2[ports.Pair, error] { return r.reader.Scan(from, to, reverse) }, func(p ports.Pair) ports.Pair {
		return ports.Pair{Key: slices.Clone(p.Key), Value: slices.Clone(p.Value)}
	})
}

func (r distantReader) Entries(after uint64) iter.Seq2[ports.Entry, error] {
	return fetched(r.line, func() iter.Seq2[ports.Entry, error] { return r.reader.Entries(after) }, func(e ports.Entry) ports.Entry {
		e.Data = slices.Clone(e.Data)
		return e
	})
}

func fetched[T any](l line, fetch func() iter.Seq2[T, error], clone func(T) T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var all []T
		var failed error
		l.do(func() {
			for one, err := range fetch() {
				if err != nil {
					failed = err
					return
				}
				all = append(all, clone(one))
			}
		})
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
		if failed != nil {
			var none T
			yield(none, failed)
		}
	}
}
