package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

const marker = "Kowalewskaja" // in all that is to be forgotten

// wantForgotten fails the test while the store holds the marker anywhere.
func wantForgotten(t *testing.T, store ports.Store) {
	t.Helper()
	err := store.View(t.Context(), func(r ports.Reader) error {
		for pair, err := range r.Scan(nil, nil, false) {
			if err != nil {
				return err
			}
			if bytes.Contains(pair.Key, []byte(marker)) || bytes.Contains(pair.Value, []byte(marker)) {
				t.Errorf("%q still holds what was erased", pair.Key)
			}
		}
		for entry, err := range r.Entries(0) {
			if err != nil {
				return err
			}
			if bytes.Contains(entry.Data, []byte(marker)) {
				t.Errorf("entry %d holds what was erased", entry.Last)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// parrot answers with what it gets, and with a status.
func (b *bench) parrot(code int, after time.Duration) {
	b.caller.Respond(func(r ports.Request) portstest.ScriptedReply {
		reply := status(code)
		reply.Reply.Body, reply.After = bytes.Clone(r.Body), after
		return reply
	})
}

func (b *bench) eraseMessage(id string) {
	b.t.Helper()
	if err := b.EraseMessage(context.Background(), "42", id); err != nil {
		b.t.Fatal(err)
	}
	pass(0)
}

// TestErasedMessageIsGone: its data and what was answered to it, of calls that have ended, that wait and that are under way. Others stay.
func TestErasedMessageIsGone(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		b := openOn(t, disk, portstest.NewScriptedCaller())
		defer b.close()
		for range 3 {
			b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Hour}})
		}
		b.parrot(http.StatusOK, 0)
		kept := b.publish(`"kept"`)
		pass(time.Second)
		b.parrot(http.StatusInternalServerError, 0)
		m := b.publish(`"` + marker + `"`)
		pass(time.Second)
		ended, err := b.CancelCall(context.Background(), "42", b.calls()[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		again, err := b.RetryCall(context.Background(), "42", ended.ID)
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		b.parrot(http.StatusOK, 10*time.Second)
		under := b.publish(`"` + marker + ` under way"`)
		pass(time.Second)

		b.eraseMessage(m.ID)
		b.eraseMessage(under.ID)
		pass(2 * time.Hour) // what was under way is answered
		wantForgotten(t, disk)
		b.wantStates(map[string]int{
			"succeeded": 6, "cancelled: cancelled by hand": 1, "cancelled: payload erased": 3,
		})
		if d := b.detail(again.ID); !d.Erased || d.Body != nil || len(d.Attempts) == 0 || d.Attempts[0].Response != "" {
			t.Errorf("the erased call shows %+v", d)
		}
		_, err = b.RetryCall(context.Background(), "42", again.ID)
		wantErr(t, err, ports.ErrConflict)
		for _, c := range b.calls() {
			if d := b.detail(c.ID); c.Message == kept.ID && (d.Erased || d.Body == nil || d.Attempts[0].Response == "") {
				t.Errorf("the kept call shows %+v", d)
			}
		}
		b.eraseMessage(m.ID) // again
		wantErr(t, b.EraseMessage(context.Background(), "43", m.ID), ports.ErrNotFound)
		wantErr(t, b.EraseMessage(context.Background(), "42", "msg_1"), ports.ErrNotFound)
		wantVerified(t, disk)
	})
}

// TestErasedCandidateIsGone: every version, what its messages told, what was answered, and what no webhook asked for.
func TestErasedCandidateIsGone(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		b := openOn(t, disk, portstest.NewScriptedCaller())
		defer b.close()
		ctx := context.Background()
		b.register(engine.NewWebhook{EventTypes: []string{"candidate.created", "candidate.updated", "candidate.applied", "note"}})
		b.parrot(http.StatusOK, 0)
		other := b.candidate()
		c := b.candidate()
		for _, err := range []error{
			second(b.UpdateCandidate(ctx, "42", c.ID, map[string]any{"lastName": marker})),
			second(b.ApplyForJob(ctx, "42", c.ID, marker)),
			second(b.ChangeCandidateState(ctx, "42", c.ID, marker)), // asked for by nobody
			second(b.Publish(ctx, engine.NewMessage{
				Company: "42", EventType: "note", ResourceType: "candidate", ResourceID: c.ID, Data: []byte(`"` + marker + `"`),
			})),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		pass(time.Second)
		m := b.calls()[len(b.calls())-1].Message
		wantErr(t, b.EraseMessage(ctx, "42", m), ports.ErrConflict) // it tells of the candidate

		for range 2 { // it may be repeated
			if err := b.EraseCandidate(ctx, "42", c.ID); err != nil {
				t.Fatal(err)
			}
			pass(0)
		}
		wantForgotten(t, disk)
		wantVerified(t, disk)
		_, err := b.Candidate(ctx, "42", c.ID)
		wantErr(t, err, ports.ErrNotFound)
		wantErr(t, b.EraseCandidate(ctx, "42", "cand_1"), ports.ErrNotFound)
		wantErr(t, b.EraseCandidate(ctx, "43", c.ID), ports.ErrNotFound)
		if kept, err := b.Candidate(ctx, "42", other.ID); err != nil || !bytes.Contains(kept.Profile, []byte("Ada")) {
			t.Errorf("the other candidate is %s, %v", kept.Profile, err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// TestErasureSurvivesCrashes: more versions and calls than one step takes, and a crash before and after every write of it.
func TestErasureSurvivesCrashes(t *testing.T) {
	t.Parallel()
	for k := 1; k <= 4; k++ { // the erasure, older versions, calls, the last calls
		for name, fail := range map[string]func(*portstest.FaultStore, int){
			"before": func(f *portstest.FaultStore, k int) { f.FailBefore(k, errCrash) },
			"after":  func(f *portstest.FaultStore, k int) { f.FailAfter(k, errCrash) },
		} {
			t.Run(fmt.Sprint(name, " ", k), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) { eraseOverCrash(t, func(f *portstest.FaultStore) { fail(f, k) }) })
			})
		}
	}
}

func eraseOverCrash(t *testing.T, crash func(*portstest.FaultStore)) {
	t.Helper()
	disk, caller := memstore.New(), portstest.NewScriptedCaller()
	faults := portstest.NewFaultStore(disk)
	b := openOn(t, faults, caller)
	ctx := context.Background()
	for range 100 {
		b.register(engine.NewWebhook{EventTypes: []string{"candidate.created"}, Schedule: []time.Duration{time.Hour}})
	}
	b.parrot(http.StatusInternalServerError, 0)
	c, err := b.CreateCandidate(ctx, engine.NewCandidate{Company: "42", Email: "sofia@example.com", FirstName: "Sofja", LastName: marker})
	if err != nil {
		t.Fatal(err)
	}
	for i := range core.StepVersions + 10 {
		if _, err := b.UpdateCandidate(ctx, "42", c.ID, map[string]any{"firstName": strconv.Itoa(i)}); err != nil {
			t.Fatal(err)
		}
	}
	pass(time.Minute)
	crash(faults)
	first := b.EraseCandidate(ctx, "42", c.ID)
	pass(time.Minute)
	wantErr(t, b.Close(), errCrash)
	b = openOn(t, disk, caller)
	defer b.close()
	if first != nil { // its answer was lost
		if err := b.EraseCandidate(ctx, "42", c.ID); err != nil {
			t.Fatal(err)
		}
	}
	pass(time.Minute)
	wantForgotten(t, disk)
	b.wantStates(map[string]int{"cancelled: payload erased": 100})
	wantVerified(t, disk)
}

// TestVerifyOfErasures: what is missing without having been erased is found, and so is what was erased and is still there.
func TestVerifyOfErasures(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		b := openOn(t, disk, portstest.NewScriptedCaller())
		b.invoices(engine.NewWebhook{})
		b.parrot(http.StatusOK, 0)
		other, m := b.publish(`"of another"`), b.publish(`"`+marker+`"`)
		pass(time.Second)
		data := ports.Pair{Key: core.DataKey(m.ID), Value: itemOf(t, disk, core.DataKey(m.ID))}
		b.eraseMessage(m.ID)
		b.close()
		wantProblem(t, disk, "and is still there", ports.Commit{Puts: []ports.Pair{data}})
		wantProblem(t, disk, "cannot be read", ports.Commit{Deletes: [][]byte{data.Key, core.DataKey(other.ID)}})
	})
}

func itemOf(t *testing.T, disk ports.Store, k []byte) (value []byte) {
	t.Helper()
	if err := disk.View(t.Context(), func(r ports.Reader) (err error) { value, err = r.Get(k); return err }); err != nil {
		t.Fatal(err)
	}
	return value
}

// wantProblem changes the store, and fails the test unless that is the one thing that verify finds.
func wantProblem(t *testing.T, disk ports.Store, what string, change ports.Commit) {
	t.Helper()
	if err := disk.Apply(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	if report := verify(t, disk); report.Count != 1 || !strings.Contains(report.Problems[0], what) {
		t.Errorf("verify says %q, want one that %q", report.Problems, what)
	}
}
