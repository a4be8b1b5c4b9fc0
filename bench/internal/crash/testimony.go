package crash

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"net/url"
	"slices"
	"time"

	"posthorn/harness"
)

// A testimony is what clients, receiver and API say of a run.
type testimony struct {
	fleet     bool
	ordered   *ordered // nil for candidates
	companies []string
	tries     int           // attempts that a call has at the most
	timeout   time.Duration // of each
	began     time.Time

	told       accepted
	kills      []kill
	deliveries []delivery

	candidates map[string][]string // company -> ids
	calls      []call
	attempts   map[string][]attempt // call -> in the order of the log
	epochs     []epoch              // the engine's lives, oldest first
	lastSeq    uint64

	// Of a sequential run: what was requested, in the order of the log, when each call ended, and the receiver's own account of each path.
	requested []request
	ended     map[string]time.Time
	accounts  map[string]harness.Account

	late      bool     // an outcome was recorded after it was listed
	different []string // lists that are not the same after `log rebuild`
}

// A call is what /v1 tells of it.
type call struct {
	ID       string `json:"id"`
	Message  string `json:"message"`
	URL      string `json:"url"`
	State    string `json:"state"`
	Reason   string `json:"reason"`
	Resource struct {
		ID string `json:"id"`
	} `json:"resource"`

	path string // of URL
}

// An attempt is a CallAttempted of the log.
type attempt struct {
	Call    string `json:"call"`
	Attempt int    `json:"attempt"`
	Epoch   uint64 `json:"epoch"`
	Status  int    `json:"status"`

	Lease     int       `json:"lease"`
	StartedAt time.Time `json:"startedAt"` // to the millisecond, by the clock of who made it
	TookMS    int64     `json:"tookMs"`

	stored time.Time // when it was recorded
}

// An epoch is one start of the engine that was recorded. What came before the next one's is of this one: a dead process's requests are read
// long before the next has opened its store.
type epoch struct {
	number uint64
	at     time.Time
}

// take lists everything, verifies the log, folds it again, and lists everything once more. It begins anew if an outcome was recorded
// meanwhile: the broker of a fleet may bring one late. The server is stopped in between and runs afterwards.
func (t *testimony) take(ctx context.Context, s *server, w *witness) error {
	for t.late = true; t.late; {
		t.late, t.epochs, t.calls, t.different, t.requested = false, nil, nil, nil, nil
		if err := t.takeOnce(ctx, s, w); err != nil {
			return err
		}
	}
	return nil
}

func (t *testimony) takeOnce(ctx context.Context, s *server, w *witness) error {
	before, err := t.list(ctx, s.api, true)
	if err != nil {
		return err
	}
	t.deliveries, t.accounts = w.seen(), t.ordered.accounts(t.requested)
	if err := s.stop(); err != nil {
		return err
	}
	for _, verb := range []string{"verify", "rebuild", "verify"} {
		if err := s.tool(ctx, verb); err != nil {
			return err
		}
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	after, err := t.list(ctx, s.api, false)
	if err != nil {
		return err
	}
	for path, digest := range before {
		if after[path] != digest {
			t.different = append(t.different, path)
		}
	}
	slices.Sort(t.different)
	return nil
}

// sampled: the details of one call of so many are compared, too.
const sampled = 100

// list reads what the API lists, and returns a digest for each path. keep says whether to keep what was told; events that came after those
// that were kept are passed over.
func (t *testimony) list(ctx context.Context, a *api, keep bool) (map[string][sha256.Size]byte, error) {
	l := lister{api: a, digests: map[string][sha256.Size]byte{}}
	if keep {
		t.candidates, t.attempts, t.ended = map[string][]string{}, map[string][]attempt{}, map[string]time.Time{}
	}
	for _, company := range t.companies {
		l.each(ctx, companyPath(company)+"/webhooks", "cursor", nil)
		l.each(ctx, companyPath(company)+"/candidates", "cursor", func(item json.RawMessage) error {
			return t.candidate(company, item, keep)
		})
		n := 0
		l.each(ctx, companyPath(company)+"/calls", "cursor", func(item json.RawMessage) error {
			var c call
			if err := json.Unmarshal(item, &c); err != nil {
				return err
			}
			if n++; n%sampled == 1 {
				l.one(ctx, companyPath(company)+"/calls/"+c.ID)
			}
			return t.call(c, keep)
		})
		l.each(ctx, "/webhook_history/"+company, "cursor", nil)
	}
	l.each(ctx, "/v1/events", "after", func(item json.RawMessage) error { return t.event(item, keep) })
	return l.digests, l.err
}

func (t *testimony) candidate(company string, item json.RawMessage, keep bool) error {
	var c struct {
		ID string `json:"id"`
	}
	err := json.Unmarshal(item, &c)
	if keep {
		t.candidates[company] = append(t.candidates[company], c.ID)
	}
	return err
}

func (t *testimony) call(c call, keep bool) error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return err
	}
	if c.path = u.Path; keep {
		t.calls = append(t.calls, c)
	}
	return nil
}

// errLater passes over an event.
var errLater = fmt.Errorf("recorded after the first listing")

func (t *testimony) event(item json.RawMessage, keep bool) error {
	var e event
	if err := json.Unmarshal(item, &e); err != nil {
		return err
	}
	if keep {
		t.lastSeq = max(t.lastSeq, e.Seq)
		return t.note(e)
	}
	if e.Seq > t.lastSeq {
		t.late = t.late || e.Type == "CallAttempted"
		return errLater
	}
	return nil
}

// An event is what the API lists of the log.
type event struct {
	Seq  uint64          `json:"seq"`
	At   time.Time       `json:"at"`
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// note keeps what is judged of an event.
func (t *testimony) note(e event) error {
	switch e.Type {
	case "CallRequested":
		return t.noteRequest(e)
	case "CallSucceeded", "CallFailed", "CallCancelled":
		var over struct {
			Call string `json:"call"`
		}
		if err := json.Unmarshal(e.Data, &over); err != nil {
			return err
		}
		if t.ended[over.Call].IsZero() { // a failed one may still succeed, late
			t.ended[over.Call] = e.At
		}
	case "CallAttempted":
		var a attempt
		if err := json.Unmarshal(e.Data, &a); err != nil {
			return err
		}
		a.stored = e.At
		t.attempts[a.Call] = append(t.attempts[a.Call], a)
	case "EngineStarted":
		var started struct {
			Epoch uint64 `json:"epoch"`
		}
		if err := json.Unmarshal(e.Data, &started); err != nil {
			return err
		}
		t.epochs = append(t.epochs, epoch{started.Epoch, e.At})
	}
	return nil
}

// epochOf says in which epoch something came, as its place in t.epochs; -1 before the first.
func (t *testimony) epochOf(at time.Time) int {
	n, found := slices.BinarySearchFunc(t.epochs, at, func(e epoch, at time.Time) int { return cmp.Compare(e.at.UnixNano(), at.UnixNano()) })
	if found {
		return n
	}
	return n - 1
}

// A lister digests lists; after an error it does nothing more.
type lister struct {
	api     *api
	digests map[string][sha256.Size]byte
	err     error
}

func (l *lister) each(ctx context.Context, path, cursor string, see func(json.RawMessage) error) {
	if l.err != nil {
		return
	}
	sum := sha256.New()
	l.err = l.api.each(ctx, path, cursor, func(item json.RawMessage) error {
		if see != nil {
			if err := see(item); err == errLater { //nolint:errorlint // it is returned bare
				return nil
			} else if err != nil {
				return err
			}
		}
		write(sum, item)
		return nil
	})
	l.digests[path] = [sha256.Size]byte(sum.Sum(nil))
}

func (l *lister) one(ctx context.Context, path string) {
	var item json.RawMessage
	if err := l.api.must(ctx, "GET", path, nil, &item); err != nil && l.err == nil {
		l.err = err
	}
	l.digests[path] = sha256.Sum256(item)
}

func write(sum hash.Hash, item json.RawMessage) {
	_, _ = sum.Write(item) // a hash never fails
	_, _ = sum.Write([]byte{'\n'})
}
