package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/engine"
)

// lists are the paged queries: each returns the ids of a page of company 42, and the next cursor.
var lists = map[string]func(b *bench, limit int, cursor string) ([]string, string, error){
	"calls": func(b *bench, limit int, cursor string) ([]string, string, error) {
		page, err := b.CallPage(context.Background(), engine.CallQuery{Company: "42", EventType: "invoice.paid", State: "succeeded", Limit: limit, Cursor: cursor})
		return ids(page.Items, func(c engine.Call) string { return c.ID }), page.Next, err
	},
	"history": func(b *bench, limit int, cursor string) ([]string, string, error) {
		page, err := b.History(context.Background(), engine.CallQuery{Company: "42", Limit: limit, Cursor: cursor})
		return ids(page.Items, func(c engine.HistoryRow) string { return c.ID }), page.Next, err
	},
	"webhooks": func(b *bench, limit int, cursor string) ([]string, string, error) {
		page, err := b.Webhooks(context.Background(), engine.ListQuery{Company: "42", Limit: limit, Cursor: cursor})
		return ids(page.Items, func(w engine.Webhook) string { return w.ID }), page.Next, err
	},
	"candidates": func(b *bench, limit int, cursor string) ([]string, string, error) {
		page, err := b.Candidates(context.Background(), engine.ListQuery{Company: "42", Limit: limit, Cursor: cursor})
		return ids(page.Items, func(c engine.Candidate) string { return c.ID }), page.Next, err
	},
	"events": func(b *bench, limit int, cursor string) ([]string, string, error) {
		after, err := strconv.ParseUint("0"+cursor, 10, 64)
		if err != nil {
			return nil, "", err
		}
		page, err := b.Events(context.Background(), engine.EventQuery{Company: "42", After: after, Limit: limit})
		return ids(page.Items, func(e engine.Event) string { return fmt.Sprintf("%09d", e.Seq) }), page.Next, err
	},
}

func ids[T any](items []T, id func(T) string) []string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = id(item)
	}
	return out
}

// all reads a list page by page; between is called between two pages.
func all(t *testing.T, b *bench, list func(*bench, int, string) ([]string, string, error), limit int, between func()) (out []string) {
	t.Helper()
	cursor := ""
	for {
		page, next, err := list(b, limit, cursor)
		if err != nil || len(page) > limit {
			t.Fatalf("page of %d, limit %d: %v", len(page), limit, err)
		}
		out = append(out, page...)
		if cursor = next; cursor == "" {
			return out
		}
		between()
	}
}

func TestPagesUnderWrites(t *testing.T) {
	t.Parallel()
	for name, list := range lists {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				b := open(t)
				defer b.close()
				more := func() { // of everything, for two companies
					b.invoices(engine.NewWebhook{URL: receiver})
					b.invoices(engine.NewWebhook{Company: "4", URL: receiver})
					b.candidate()
					b.publish(`1`)
					pass(time.Second)
				}
				for range 12 {
					more()
				}
				before := all(t, b, list, 250, func() {})
				writes := 0
				paged := all(t, b, list, 5, func() {
					if writes++; writes < 10 {
						more()
					}
				})
				sorted := slices.Clone(paged)
				slices.Sort(sorted)
				if len(slices.Compact(slices.Clone(sorted))) != len(paged) {
					t.Errorf("an item came twice in %v", paged)
				}
				for _, id := range before {
					if _, found := slices.BinarySearch(sorted, id); !found {
						t.Errorf("%s existed and is missing", id)
					}
				}
				if len(before) < 12 || (!slices.IsSorted(paged) && !slices.IsSortedFunc(paged, func(a, b string) int { return strings.Compare(b, a) })) {
					t.Errorf("%d items, out of order: %v", len(before), paged)
				}
			})
		})
	}
}

func TestBadPagesAreRefused(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		b.many(3)
		b.publish(`1`)
		pass(time.Second)
		_, foreign, err := lists["webhooks"](b, 1, "")
		if err != nil || foreign == "" {
			t.Fatalf("cursor %q, %v", foreign, err)
		}
		for name, list := range lists {
			cursors := []string{"!", "AAAA", foreign}
			switch name {
			case "events":
				cursors = nil // its cursor is a number
			case "webhooks":
				cursors = cursors[:2]
			}
			var invalid *engine.InvalidError
			for _, cursor := range cursors {
				if _, _, err := list(b, 10, cursor); !errors.As(err, &invalid) {
					t.Errorf("%s with cursor %q = %v, want an InvalidError", name, cursor, err)
				}
			}
			for _, limit := range []int{-1, 251} {
				if _, _, err := list(b, limit, ""); !errors.As(err, &invalid) {
					t.Errorf("%s with limit %d = %v, want an InvalidError", name, limit, err)
				}
			}
		}
		var invalid *engine.InvalidError
		if _, err := b.CallPage(t.Context(), engine.CallQuery{Company: "42", State: "gone"}); !errors.As(err, &invalid) {
			t.Errorf("state gone = %v, want an InvalidError", err)
		}
	})
}

func TestCallsByTime(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		defer b.close()
		w := b.invoices(engine.NewWebhook{})
		start := time.Now()
		for range 10 {
			b.publish(`1`)
			pass(time.Minute)
		}
		page, err := b.CallPage(t.Context(), engine.CallQuery{
			Company: "42", Webhook: w.ID, Since: start.Add(2 * time.Minute), Until: start.Add(5 * time.Minute),
		})
		if err != nil || len(page.Items) != 3 || !page.Items[2].CreatedAt.Equal(start.Add(2*time.Minute)) {
			t.Errorf("page = %+v, %v; want the calls of minutes 4, 3 and 2", page, err)
		}
		// Of the millisecond that Until falls into, what was before it belongs to the page.
		page, err = b.CallPage(t.Context(), engine.CallQuery{Company: "42", Until: start.Add(5*time.Minute + time.Microsecond)})
		if err != nil || len(page.Items) != 6 {
			t.Errorf("%d calls until a microsecond after minute 5, %v; want those of minutes 0 to 5", len(page.Items), err)
		}
		// Until bounds the rows that are looked at: however many calls came later, a page costs the same.
		newest, err := b.CallPage(t.Context(), engine.CallQuery{Company: "42", Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.CallPage(t.Context(), engine.CallQuery{Company: "42", Until: start.Add(5 * time.Minute), Cursor: newest.Next})
		if _, invalid := errors.AsType[*engine.InvalidError](err); !invalid {
			t.Errorf("a cursor beyond Until: %v; want it refused as not of that list", err)
		}
		if page, err = b.CallPage(t.Context(), engine.CallQuery{Company: "42", Webhook: "wh_other"}); err != nil || len(page.Items) != 0 {
			t.Errorf("page of another webhook = %+v, %v", page, err)
		}
	})
}

func TestFollowersSeeOldEventsThenLiveOnes(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := open(t)
		b.invoices(engine.NewWebhook{})
		for range 150 { // more than two pages of a follower
			b.publish(`1`)
		}
		pass(time.Second)
		middle, _ := b.LastSeq(t.Context())
		middle /= 2
		seen := make([][]engine.Event, 20)
		var followers sync.WaitGroup
		for i := range seen {
			after := uint64(i%2) * middle
			followers.Go(func() {
				for e, err := range b.Follow(t.Context(), after) {
					if err != nil {
						t.Error(err)
					}
					seen[i] = append(seen[i], e)
				}
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		early := 0
		followers.Go(func() {
			for _, err := range b.Follow(ctx, 0) {
				if err != nil {
					t.Error(err)
				}
				early++
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		stopped := early
		b.publish(`2`)
		pass(time.Second)
		last, _ := b.LastSeq(t.Context())
		b.close() // ends all followers
		followers.Wait()
		for i, events := range seen {
			after := uint64(i%2) * middle
			if uint64(len(events)) != last-after {
				t.Errorf("follower %d saw %d events, want %d", i, len(events), last-after)
			}
			for j, e := range events {
				if e.Seq != after+uint64(j)+1 {
					t.Fatalf("follower %d saw event %d as its number %d", i, e.Seq, j)
				}
			}
		}
		if early != stopped || early == 0 {
			t.Errorf("a follower whose context ended saw %d events, then %d", stopped, early)
		}
	})
}
