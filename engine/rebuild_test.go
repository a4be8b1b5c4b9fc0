package engine_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// story fills a store with something of everything: webhooks changed, disabled and deleted, candidates, calls in every state, open jobs.
func story(t *testing.T, disk ports.Store) {
	t.Helper()
	ctx := context.Background()
	b := openOn(t, disk, portstest.NewScriptedCaller())
	defer b.close()
	good := b.register(engine.NewWebhook{EventTypes: []string{"*"}})
	bad := b.invoices(engine.NewWebhook{URL: "https://bad.example/", Schedule: []time.Duration{time.Hour}})
	off := b.invoices(engine.NewWebhook{URL: "https://off.example/"})
	b.caller.Respond(func(r ports.Request) portstest.ScriptedReply {
		if strings.Contains(r.URL, "bad") {
			return status(http.StatusInternalServerError)
		}
		return portstest.ScriptedReply{Reply: ports.Reply{Status: http.StatusOK, Body: []byte("thanks")}}
	})
	c := b.candidate()
	_, err1 := b.DisableWebhook(ctx, "42", off.ID)
	for i := range 20 {
		b.publish(fmt.Sprintf(`{"n":%d}`, i))
	}
	_, err2 := b.UpdateCandidate(ctx, "42", c.ID, map[string]any{"location": nil, "phone": "1"})
	_, err3 := b.ChangeCandidateState(ctx, "42", c.ID, "hired")
	_, err4 := b.Publish(ctx, engine.NewMessage{Company: "42", EventType: "x.y", ResourceType: "job", ResourceID: "none", IdempotencyKey: "k"})
	pass(time.Minute)
	err5 := b.DeleteCandidate(ctx, "42", c.ID)
	_, err6 := b.Cancel(ctx, b.calls()[3].ID)
	_, err7 := b.UpdateWebhook(ctx, engine.WebhookEdit{Company: "42", ID: good.ID, Description: new(string)})
	err8 := b.DeleteWebhook(ctx, "42", bad.ID)
	if err := errors.Join(err1, err2, err3, err4, err5, err7, err8); err != nil {
		t.Fatal(err)
	}
	if err6 != nil && !errors.Is(err6, ports.ErrConflict) {
		t.Fatal(err6)
	}
}

func rowsOf(t *testing.T, disk ports.Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	from, to := core.RowRange()
	err := disk.View(t.Context(), func(r ports.Reader) error {
		for pair, err := range r.Scan(from, to, false) {
			if err != nil {
				return err
			}
			out[string(pair.Key)] = string(pair.Value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func verify(t *testing.T, disk ports.Store) engine.VerifyReport {
	t.Helper()
	report, err := engine.Verify(t.Context(), disk, memstore.New())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// Thrown away and folded again, the rows are the same bytes.
func TestRebuildGivesTheSameRows(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		story(t, disk)
		before := rowsOf(t, disk)
		report, err := engine.Rebuild(t.Context(), disk)
		if err != nil || report.Rows != uint64(len(before)) || report.Dropped != report.Rows || len(before) < 40 {
			t.Fatalf("report = %+v, %v; %d rows before", report, err, len(before))
		}
		if after := rowsOf(t, disk); !maps.Equal(before, after) {
			t.Errorf("rows differ: %d before, %d after", len(before), len(after))
		}
		if r := verify(t, disk); !r.OK() || r.Rows != report.Rows || r.VaultItems == 0 {
			t.Errorf("verify = %+v", r)
		}
	})
}

// Wherever a rebuild is interrupted, an engine refuses the store until another one is done.
func TestInterruptedRebuildIsRefusedAndRepeated(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		for k := 1; ; k++ {
			disk := memstore.New()
			story(t, disk)
			before := rowsOf(t, disk)
			faults := portstest.NewFaultStore(disk)
			faults.FailBefore(k, errors.New("power lost"))
			if _, err := engine.Rebuild(t.Context(), faults); err == nil {
				if k < 4 {
					t.Errorf("a rebuild took %d commits, want at least 3", k-1)
				}
				return
			}
			if r := verify(t, disk); k > 1 && r.OK() {
				t.Errorf("interrupted at %d: verify finds nothing", k)
			}
			if err := tryOpen(t, disk); (err != nil) != (k > 1) {
				t.Errorf("interrupted at %d: open = %v", k, err)
			}
			if k == 1 {
				continue // nothing had begun, and the engine that opened it wrote its start
			}
			if _, err := engine.Rebuild(t.Context(), disk); err != nil {
				t.Fatal(err)
			}
			if after := rowsOf(t, disk); !maps.Equal(before, after) {
				t.Errorf("interrupted at %d: rows differ", k)
			}
		}
	})
}

func tryOpen(t *testing.T, disk ports.Store) error {
	t.Helper()
	e, err := engine.Open(t.Context(), engine.Options{
		Store: &session{Store: disk}, Bus: goBus(),
		Caller: portstest.NewScriptedCaller(), Key: engine.NewKey([engine.KeyBytes]byte{1}),
	})
	if err != nil {
		return err
	}
	return e.Close()
}

// What is wrong is named, each kind by its own words.
func TestVerifyNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		row := core.WebhookKey("42", "wh_none")
		for want, damage := range map[string]func(rows []string, items []string) ports.Commit{
			"is missing":                  func(rows, _ []string) ports.Commit { return ports.Commit{Deletes: [][]byte{[]byte(rows[3])}} },
			"differs from":                func(rows, _ []string) ports.Commit { return put(rows[3], "{}") },
			"the log does not give it":    func([]string, []string) ports.Commit { return put(string(row), "{}") },
			"not found":                   func(_, items []string) ports.Commit { return ports.Commit{Deletes: [][]byte{[]byte(items[0])}} },
			"vault item cannot be read":   func(_, items []string) ports.Commit { return put(items[0], "something else, long enough") },
			"retention took 0: damaged":   func([]string, []string) ports.Commit { return ports.Commit{} },
			"rebuild of the rows was int": func([]string, []string) ports.Commit { return put(string(core.RebuildMark()), "1") },
		} {
			disk := memstore.New()
			story(t, disk)
			var checked ports.Store = disk
			if strings.HasPrefix(want, "retention took") {
				checked = gap{disk}
			}
			if err := disk.Apply(t.Context(), damage(slices.Sorted(maps.Keys(rowsOf(t, disk))), itemsOf(t, disk))); err != nil {
				t.Fatal(err)
			}
			if r := verify(t, checked); r.OK() || !strings.Contains(r.Problems[0], want) {
				t.Errorf("report = %+v, want a problem with %q", r, want)
			}
		}
	})
}

func put(k, value string) ports.Commit {
	return ports.Commit{Puts: []ports.Pair{{Key: []byte(k), Value: []byte(value)}}}
}

func itemsOf(t *testing.T, disk ports.Store) (keys []string) {
	t.Helper()
	from, to := core.VaultRange()
	err := disk.View(t.Context(), func(r ports.Reader) error {
		for pair, err := range r.Scan(from, to, false) {
			if err != nil {
				return err
			}
			keys = append(keys, string(pair.Key))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// gap is a store that has lost the first entry of its log, in whose stead later ones set the same row.
type gap struct{ ports.Store }

func (g gap) View(ctx context.Context, read func(ports.Reader) error) error {
	return g.Store.View(ctx, func(r ports.Reader) error { return read(gapReader{r}) })
}

type gapReader struct{ ports.Reader }

func (g gapReader) Entries(after uint64) iter.Seq2[ports.Entry, error] {
	return func(yield func(ports.Entry, error) bool) {
		n := 0
		for entry, err := range g.Reader.Entries(after) {
			if n++; (after > 0 || n > 1) && !yield(entry, err) {
				return
			}
		}
	}
}
