package engine_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
)

func exportAll(t *testing.T, disk ports.Store, q engine.ExportQuery) (all []engine.ExportedEvent) {
	t.Helper()
	err := engine.Export(t.Context(), disk, q, func(e engine.ExportedEvent) error {
		all = append(all, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Bodies are exported for what was told and what was answered, and for nothing else: what is sealed stays out even in its sealed form.
func TestExportOpensNothingSealed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		story(t, disk)
		bodies := map[string]int{}
		for _, e := range exportAll(t, disk, engine.ExportQuery{Bodies: true}) {
			if e.Payload != nil || e.Response != "" || e.ResponseBase64 != nil {
				bodies[e.Type]++
			}
			if strings.HasPrefix(e.Type, "Webhook") && (e.Payload != nil || e.Response != "" || e.ResponseBase64 != nil) {
				t.Errorf("event %d, %s, is exported with a body", e.Seq, e.Type)
			}
			if e.Payload != nil && !json.Valid(e.Payload) {
				t.Errorf("event %d has the payload %q", e.Seq, e.Payload)
			}
		}
		for _, kind := range []string{"MessagePublished", "CandidateCreated", "CandidateUpdated", "CallAttempted"} {
			if bodies[kind] == 0 {
				t.Errorf("no %s is exported with its body: %v", kind, bodies)
			}
		}
		for _, e := range exportAll(t, disk, engine.ExportQuery{}) {
			if e.Payload != nil || e.Response != "" || e.ResponseBase64 != nil {
				t.Errorf("event %d is exported with a body that nobody asked for", e.Seq)
			}
		}
	})
}

// What retention took away is passed over, and what the vault does not have any more is left out.
func TestExportPassesOverGaps(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		story(t, disk)
		before := exportAll(t, disk, engine.ExportQuery{Bodies: true})
		var gone ports.Entry
		var lost, next []byte
		err := disk.View(t.Context(), func(r ports.Reader) error {
			for entry, err := range r.Entries(0) {
				if err != nil {
					return err
				}
				recorded, err := core.NewCodec().Decode(entry)
				if err != nil {
					return err
				}
				if m, ok := recorded[0].Event.(core.MessagePublished); ok && m.DataDigest != "" {
					gone, lost, next = ports.Entry{First: entry.First, Last: entry.Last}, next, core.DataKey(m.Message)
				}
			}
			return nil
		})
		if err := errors.Join(err, disk.Apply(t.Context(), ports.Commit{Rewrites: []ports.Entry{gone}, Deletes: [][]byte{lost}})); err != nil {
			t.Fatal(err)
		}
		after := exportAll(t, disk, engine.ExportQuery{Bodies: true})
		missing := int(gone.Last - gone.First + 1)
		if len(after) != len(before)-missing || missing == 0 {
			t.Errorf("%d events are exported, want %d less than %d", len(after), missing, len(before))
		}
		if rest := exportAll(t, disk, engine.ExportQuery{After: gone.First}); len(rest) == 0 || rest[0].Seq != gone.Last+1 {
			t.Errorf("after %d the export begins with %+v", gone.First, rest)
		}
	})
}

func TestExportRefusesDamage(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		story(t, disk)
		for _, e := range exportAll(t, disk, engine.ExportQuery{}) {
			if e.Type != "MessagePublished" || !strings.Contains(string(e.Data), "dataDigest") {
				continue
			}
			var m struct {
				Message string `json:"message"`
			}
			put := ports.Pair{Key: nil, Value: []byte("something else, long enough")}
			err := json.Unmarshal(e.Data, &m)
			put.Key = core.DataKey(m.Message)
			if err := errors.Join(err, disk.Apply(t.Context(), ports.Commit{Puts: []ports.Pair{put}})); err != nil {
				t.Fatal(err)
			}
			break
		}
		err := engine.Export(t.Context(), disk, engine.ExportQuery{Bodies: true}, func(engine.ExportedEvent) error { return nil })
		if !errors.Is(err, ports.ErrDamaged) || !strings.HasPrefix(err.Error(), "export event ") {
			t.Errorf("a changed body: %v, want %v with its event", err, ports.ErrDamaged)
		}
	})
}
