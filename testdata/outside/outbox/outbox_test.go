package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	_ "modernc.org/sqlite"

	"posthorn"
)

const invoices = 20

// TestRelayKilledBetweenItsTwoWrites kills the program with the relay, and the engine in it, after it has published a row and before it has
// marked it: at its first row several times over, and further on. Each row is told of once.
func TestRelayKilledBetweenItsTwoWrites(t *testing.T) {
	dir := os.Getenv("OUTBOX_DIR")
	if dir != "" {
		relayAndDie(t, dir)
		return
	}
	dir = t.TempDir()
	told := newReceiver(t)
	prepare(t, dir, told.url)
	killed := 0
	for _, row := range []int{1, 1, 1, 2, 4, 1, 1, 3, 2, 1, 5, 1} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "OUTBOX_DIR="+dir, "OUTBOX_ROW="+strconv.Itoa(row))
		out, err := cmd.CombinedOutput()
		var ended *exec.ExitError
		if !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the relay was to be killed at its row %d and ended with %v: %s", row, err, out)
		}
		killed++
	}
	db, ph := open(t, dir)
	if err := Relay(t.Context(), db, ph); err != nil {
		t.Fatal(err)
	}
	if n := published(t, ph); n != invoices {
		t.Errorf("%d messages were accepted for %d invoices, after %d kills", n, invoices, killed)
	}
	told.wait(t)
}

// A deadly publisher kills the process when it has published so many rows.
type deadly struct {
	*posthorn.Posthorn
	rows int
}

func (d *deadly) Publish(ctx context.Context, m posthorn.NewMessage) (posthorn.Message, error) {
	out, err := d.Posthorn.Publish(ctx, m)
	if d.rows--; err == nil && d.rows == 0 {
		err = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // dead before the row is marked
	}
	return out, err
}

func relayAndDie(t *testing.T, dir string) {
	rows, err := strconv.Atoi(os.Getenv("OUTBOX_ROW"))
	if err != nil {
		t.Fatal(err)
	}
	db, ph := open(t, dir)
	t.Fatalf("it should be dead: %v", Relay(t.Context(), db, &deadly{ph, rows}))
}

func open(t *testing.T, dir string) (*sql.DB, *posthorn.Posthorn) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "app.db"))
	if err != nil {
		t.Fatal(err)
	}
	ph, err := posthorn.Open(t.Context(), posthorn.Options{Dir: filepath.Join(dir, "posthorn"), AllowPrivateTargets: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(ph.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	return db, ph
}

// prepare pays the invoices, and tells of each in the same transaction; one more is paid and rolled back.
func prepare(t *testing.T, dir, url string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "app.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), Schema+`; CREATE TABLE paid (invoice INTEGER)`); err != nil {
		t.Fatal(err)
	}
	for n := range invoices + 1 {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.ExecContext(t.Context(), `INSERT INTO paid VALUES (?)`, n)
		err = errors.Join(err, Tell(t.Context(), tx, "42", "invoice.paid", fmt.Sprintf(`{"invoice":%d}`, n)))
		end := tx.Commit
		if n == invoices {
			end = tx.Rollback
		}
		if err := errors.Join(err, end()); err != nil {
			t.Fatal(err)
		}
	}
	ph, err := posthorn.Open(t.Context(), posthorn.Options{Dir: filepath.Join(dir, "posthorn"), AllowPrivateTargets: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = ph.RegisterWebhook(t.Context(), posthorn.NewWebhook{Company: "42", URL: url, EventTypes: []string{"*"}})
	if err := errors.Join(err, ph.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func published(t *testing.T, ph *posthorn.Posthorn) (n int) {
	t.Helper()
	q := posthorn.EventQuery{Type: "MessagePublished"}
	for {
		page, err := ph.Events(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if n += len(page.Items); page.Next == "" {
			return n
		}
		if q.After, err = strconv.ParseUint(page.Next, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
}

// A receiver knows under which ids each invoice was told of.
type receiver struct {
	url  string
	all  chan struct{}
	mu   sync.Mutex
	told map[int]map[string]bool
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{all: make(chan struct{}), told: map[int]map[string]bool{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *receiver) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	var body struct {
		Data struct {
			Invoice *int `json:"invoice"`
		} `json:"data"`
	}
	text, err := io.ReadAll(req.Body)
	if err = errors.Join(err, json.Unmarshal(text, &body)); err != nil || body.Data.Invoice == nil {
		panic(http.ErrAbortHandler)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := r.told[*body.Data.Invoice]
	if ids == nil {
		ids = map[string]bool{}
		r.told[*body.Data.Invoice] = ids
		if len(r.told) == invoices {
			close(r.all)
		}
	}
	ids[req.Header.Get("webhook-id")] = true
}

// wait ends when every invoice was told of, and looks that each was told of under one id, the paid ones alone.
func (r *receiver) wait(t *testing.T) {
	t.Helper()
	select {
	case <-r.all:
	case <-t.Context().Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for n, ids := range r.told {
		if len(ids) != 1 || n >= invoices {
			t.Errorf("invoice %d was told of under the ids %v", n, ids)
		}
	}
}
