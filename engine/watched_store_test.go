package engine_test

import (
	"context"
	"iter"

	"posthorn/ports"
)

// A watchedStore tells of each read before it is done, from the goroutine that reads. A nil function is not told.
type watchedStore struct {
	ports.Store

	get, scan func(key []byte) // of a scan its beginning
}

func (s *watchedStore) View(ctx context.Context, view func(ports.Reader) error) error {
	return s.Store.View(ctx, func(r ports.Reader) error { return view(watchedReader{r, s}) })
}

type watchedReader struct {
	ports.Reader

	store *watchedStore
}

func (r watchedReader) Get(key []byte) ([]byte, error) {
	if r.store.get != nil {
		r.store.get(key)
	}
	return r.Reader.Get(key)
}

func (r watchedReader) Scan(from, to []byte, reverse bool) iter.Seq2[ports.Pair, error] {
	if r.store.scan != nil {
		r.store.scan(from)
	}
	return r.Reader.Scan(from, to, reverse)
}
