package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/engine/backup"
	"posthorn/engine/core"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// A backer makes backups: an engine.
type backer interface {
	Backup(ctx context.Context, to io.Writer, since *backup.Outline) (backup.Summary, error)
}

func backedUp(t *testing.T, e backer, since []byte) []byte {
	t.Helper()
	var before *backup.Outline
	if since != nil {
		o, err := backup.Read(bytes.NewReader(since))
		if err != nil {
			t.Fatal(err)
		}
		before = o
	}
	var out bytes.Buffer
	if _, err := e.Backup(t.Context(), &out, before); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// putBack restores a chain of backups into a new store.
func putBack(t *testing.T, files ...[]byte) (ports.Store, backup.Restored) {
	t.Helper()
	target := memstore.New()
	report, err := engine.Restore(t.Context(), target, chained(t, files...))
	if err != nil {
		t.Fatal(err)
	}
	return target, report
}

func chained(t *testing.T, files ...[]byte) *backup.Chain {
	t.Helper()
	named := make([]backup.File, len(files))
	for i, f := range files {
		named[i] = backup.File{Name: fmt.Sprintf("file %d", i+1), Size: int64(len(f)), From: bytes.NewReader(f)}
	}
	chain, err := backup.Open(named...)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// A backup taken while commands come at full speed has everything that was acknowledged before it began, is sound, and an engine that is opened
// over it makes the calls that were open then, with the same ids.
func TestBackupHasWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		b := openOn(t, disk, caller)
		b.invoices(engine.NewWebhook{Schedule: []time.Duration{time.Hour}})
		b.answer(http.StatusInternalServerError)
		full := backedUp(t, b, nil)

		var mu sync.Mutex
		accepted := map[string]bool{}
		enough, stop := make(chan struct{}), make(chan struct{})
		var clients sync.WaitGroup
		for range 16 {
			clients.Go(func() {
				for n := 0; ; n++ {
					m, err := b.Publish(context.Background(), engine.NewMessage{Company: "42", EventType: "invoice.paid", Data: []byte(`1`)})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					accepted[m.ID] = true
					if len(accepted) == 500 {
						close(enough)
					}
					mu.Unlock()
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		<-enough
		mu.Lock()
		before := make([]string, 0, len(accepted))
		for id := range accepted {
			before = append(before, id)
		}
		mu.Unlock()
		since := backedUp(t, b, full)
		close(stop)
		clients.Wait()
		b.close()

		target, report := putBack(t, full, since)
		wantVerified(t, target)
		if id, _ := b.ID(); report.Engine != id || report.LastSeq == 0 {
			t.Errorf("the report is %+v", report)
		}
		b = openOn(t, target, caller)
		defer b.close()
		b.answer(http.StatusOK)
		pass(3 * time.Hour)
		delivered := map[string]bool{}
		for _, c := range b.calls() {
			if c.State != core.Succeeded {
				t.Errorf("call %s is %s", c.ID, c.State)
			}
			delivered[c.Message] = true
		}
		for _, id := range before {
			if !delivered[id] {
				t.Errorf("message %s was acknowledged before the backup and is not in it", id)
			}
		}
		wantVerified(t, target)
	})
}

// A story's store, with something of everything in it, comes back to the byte.
func TestBackupOfAStory(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		story(t, disk)
		var file bytes.Buffer
		if _, err := engine.Backup(t.Context(), disk, &file, nil); err != nil {
			t.Fatal(err)
		}
		target, _ := putBack(t, file.Bytes())
		if a, b := dumped(t, disk), dumped(t, target); a != b {
			t.Error("the store that came back is another")
		}
		wantVerified(t, target)
	})
}

func dumped(t *testing.T, disk ports.Store) string {
	t.Helper()
	var text strings.Builder
	err := disk.View(t.Context(), func(r ports.Reader) error {
		for e, err := range r.Entries(0) {
			if err != nil {
				return err
			}
			fmt.Fprintf(&text, "%d %d %x\n", e.First, e.Last, e.Data)
		}
		for p, err := range r.Scan(nil, nil, false) {
			if err != nil {
				return err
			}
			fmt.Fprintf(&text, "%q %x\n", p.Key, p.Value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// What an interrupted restore has left is opened by nobody: no engine, no key ring, no backup, no export; and verify says what it is.
func TestHalfRestoredIsRefused(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		disk := memstore.New()
		story(t, disk)
		var file bytes.Buffer
		if _, err := engine.Backup(t.Context(), disk, &file, nil); err != nil {
			t.Fatal(err)
		}
		half := portstest.NewFaultStore(memstore.New())
		half.FailBefore(3, errors.New("killed")) // the last commit, which takes the mark away
		if _, err := engine.Restore(t.Context(), half, chained(t, file.Bytes())); err == nil || !strings.HasSuffix(err.Error(), "killed") {
			t.Fatalf("the restore was to be interrupted: %v", err)
		}
		_, keys := engine.StoppedKeys(t.Context(), half)
		_, again := engine.Backup(t.Context(), half, io.Discard, nil)
		export := engine.Export(t.Context(), half, engine.ExportQuery{}, func(engine.ExportedEvent) error { return nil })
		_, opened := engine.Open(t.Context(), engine.Options{
			Store: &session{Store: half}, Bus: goBus(), Caller: portstest.NewScriptedCaller(), Key: engine.NewKey([engine.KeyBytes]byte{1}),
		})
		for what, err := range map[string]error{"keys": keys, "a backup": again, "an export": export, "an engine": opened} {
			if !errors.Is(err, ports.ErrDamaged) || !strings.Contains(err.Error(), "run `posthorn restore` again") {
				t.Errorf("%s over what is half restored: %v", what, err)
			}
		}
		if report := verify(t, half); report.OK() || !strings.Contains(report.Problems[0], "`posthorn restore`") {
			t.Errorf("verify says %+v", report)
		}
	})
}

// A backup of another engine is not what the next one of this engine can build on.
func TestBackupSinceThatOfAnotherEngine(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := openOn(t, memstore.New(), portstest.NewScriptedCaller())
		theirs := backedUp(t, b, nil)
		b.close()
		o, err := backup.Read(bytes.NewReader(theirs))
		if err != nil {
			t.Fatal(err)
		}
		ours := openOn(t, memstore.New(), portstest.NewScriptedCaller())
		if _, err := ours.Backup(t.Context(), io.Discard, o); !errors.Is(err, ports.ErrConflict) {
			t.Errorf("it was taken: %v", err)
		}
		ours.close()
		if _, err := ours.Backup(t.Context(), io.Discard, nil); !errors.Is(err, ports.ErrClosed) {
			t.Errorf("a stopped engine made one: %v", err)
		}
	})
}

// blocked takes one write and tells of it, and the next ones when it is let go.
type blocked struct{ begun, release chan struct{} }

func (w *blocked) Write(b []byte) (int, error) {
	select {
	case w.begun <- struct{}{}:
	default:
	}
	<-w.release
	return len(b), nil
}

// A backup under way does not hold up the commits, and ends when the engine stops: what it had written is no backup.
func TestBackupEndsWithTheEngine(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		b := openOn(t, memstore.New(), portstest.NewScriptedCaller())
		b.invoices(engine.NewWebhook{})
		for range 40 {
			b.publish(`"` + strings.Repeat("x", 20_000) + `"`)
		}
		to := &blocked{make(chan struct{}, 1), make(chan struct{})}
		failed := make(chan error, 1)
		go func() { // joined below
			_, err := b.Backup(t.Context(), to, nil)
			failed <- err
		}()
		<-to.begun
		b.publish(`1`) // it is answered
		closed := make(chan struct{})
		go func() { // joined below
			defer close(closed)
			b.close()
		}()
		pass(time.Second)
		close(to.release)
		if err := <-failed; !errors.Is(err, ports.ErrClosed) {
			t.Errorf("it ended with %v", err)
		}
		<-closed
	})
}
