package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"posthorn/bench/internal/contest"
	"posthorn/bench/internal/numbered"
)

const (
	companies = 4
	wellHooks = 2 // of each company, beside one that is moody
	eventType = "sample.taken"
	patience  = time.Minute           // for one request, over restarts
	pause     = 50 * time.Millisecond // before it is made again
)

// A traffic makes the requests. Its methods may be called from many goroutines at once.
type traffic struct {
	server     atomic.Pointer[contest.Server] // changed by a restart
	candidates [companies]atomic.Pointer[string]
	cursors    [companies]atomic.Pointer[string]
	again      atomic.Int64 // requests that were made again
}

func company(n int) string { return "soak-" + strconv.Itoa(n%companies) }

// told says whether request n makes calls that the well receivers count.
func told(n int) bool { return n%10 < 7 }

// send makes request n, again and again over restarts until it is answered: of ten, six messages, a candidate, a change of one, and two
// pages of the history.
func (t *traffic) send(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := t.once(ctx, t.server.Load(), n)
		if err == nil {
			return nil
		}
		t.again.Add(1)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("not answered in %v: %w", patience, err)
		}
	}
}

func (t *traffic) once(ctx context.Context, s *contest.Server, n int) error {
	base, key := "/v1/companies/"+company(n), "soak-"+strconv.Itoa(n)
	switch n % 10 {
	case 6:
		var made struct {
			ID string `json:"id"`
		}
		err := s.Ask(ctx, http.MethodPost, base+"/candidates", key, candidate(n), &made)
		if err == nil {
			t.candidates[n%companies].Store(&made.ID)
		}
		return err
	case 7:
		id := t.candidates[n%companies].Load()
		if id == nil {
			return nil
		}
		body := fmt.Appendf(nil, `{"firstName":"Ada %d"}`, n)
		return s.Ask(ctx, http.MethodPatch, base+"/candidates/"+*id, "", body, new(json.RawMessage))
	case 8:
		return t.read(ctx, s, n, url.Values{})
	case 9:
		query := url.Values{"state": {"succeeded"}}
		if cursor := t.cursors[n%companies].Load(); cursor != nil {
			query.Set("cursor", *cursor)
		}
		return t.read(ctx, s, n, query)
	default:
		body := numbered.Set(numbered.Message(eventType), n)
		return s.Ask(ctx, http.MethodPost, base+"/messages", key, body, new(json.RawMessage))
	}
}

// candidate is a new one, with its number; the fields are the same.
func candidate(n int) []byte { return numbered.Set(numbered.Data(), n) }

// read gets a page of the history and keeps its cursor for a later one.
func (t *traffic) read(ctx context.Context, s *contest.Server, n int, query url.Values) error {
	var page struct {
		NextCursor string `json:"nextCursor"`
	}
	err := s.Ask(ctx, http.MethodGet, "/v1/companies/"+company(n)+"/calls?"+query.Encode(), "", nil, &page)
	if err == nil && page.NextCursor != "" {
		t.cursors[n%companies].Store(&page.NextCursor)
	}
	return err
}
