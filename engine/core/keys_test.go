package core

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"posthorn/ports"
)

// companyNames draws what checkCompany lets through, and looks like other names, parts of keys and ends of ranges.
func companyNames() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"4", "42", "421", "4 2", "42!", "r", "call", "\u0080", "é", "42\u00ff", "\U0010FFFF"}),
		rapid.StringN(1, 20, maxCompany),
	).Filter(func(s string) bool {
		var p problems
		checkCompany(&p, s)
		return len(p) == 0
	})
}

func within(k, from, to []byte) bool {
	return bytes.Compare(from, k) <= 0 && bytes.Compare(k, to) < 0
}

// TestRangesAreApart: a range holds the keys of its company or webhook, and never another's.
func TestRangesAreApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		mine, other := companyNames().Draw(t, "mine"), companyNames().Draw(t, "other")
		id := rapid.StringMatching(`[a-z]{1,4}_[0-9A-Z]{1,26}`).Draw(t, "id")
		due := Due{
			Webhook: id, At: time.UnixMilli(rapid.Int64Range(0, math.MaxInt64/2).Draw(t, "at")), Seq: rapid.Uint64().Draw(t, "seq"),
			Company: mine, Call: "call_1",
		}
		wider := Due{Webhook: id + "0", At: due.At, Seq: due.Seq}
		keys := map[string]struct {
			key     []byte
			ranges  func(company string) (from, to []byte)
			nothers [][]byte
		}{
			"webhook":     {WebhookKey(mine, id), WebhookRange, nil},
			"call":        {CallKey(mine, id), CallRange, nil},
			"unmatched":   {UnmatchedKey(mine, id), UnmatchedRange, nil},
			"undelivered": {UndeliveredKey(mine, id), UndeliveredRange, nil},
			"replay":      {ReplayKey(mine, id), ReplayRange, nil},
			"again": {
				AgainKey(mine, id, "call_1"), func(c string) (from, to []byte) { return AgainRange(c, id) }, [][]byte{AgainKey(mine, id+"0", "call_1")},
			},
			"change": {
				ChangeKey(mine, id, due.Seq), func(c string) (from, to []byte) { return ChangeRange(c, id) }, [][]byte{ChangeKey(mine, id+"0", 1)},
			},
			"resource": {
				ResourceRowKey(mine, "candidate", id),
				func(c string) (from, to []byte) { return ResourceRowRange(c, "candidate") },
				[][]byte{ResourceRowKey(mine, "candidates", id), ResourceRowKey(mine, "candidat", id)},
			},
			"due": {due.Key(), func(c string) (from, to []byte) {
				if c == mine {
					return DueRange(id)
				}
				return DueRange(id + "0")
			}, [][]byte{wider.Key()}},
		}
		rowFrom, rowTo := RowRange()
		for name, k := range keys {
			from, to := k.ranges(mine)
			if !within(k.key, from, to) || !within(k.key, rowFrom, rowTo) {
				t.Fatalf("%s: %q is not in %q to %q", name, k.key, from, to)
			}
			if from, to := k.ranges(other); mine != other && within(k.key, from, to) {
				t.Fatalf("%s: %q of %q is in the range of %q", name, k.key, mine, other)
			}
			for _, n := range k.nothers {
				if within(n, from, to) {
					t.Fatalf("%s: %q is in %q to %q", name, n, from, to)
				}
			}
			for another, a := range keys {
				if another != name && within(a.key, from, to) {
					t.Fatalf("%s: the %s key %q is in %q to %q", name, another, a.key, from, to)
				}
			}
		}
		if from, to := DueRange(""); !within(due.Key(), from, to) {
			t.Fatalf("%q is not in the range of all", due.Key())
		}
	})
}

// TestDueKeys: a due row is read back as it was, and key order is the order of webhook, time and seq.
func TestDueKeys(t *testing.T) {
	t.Parallel()
	draw := func(t *rapid.T, name string) Due {
		return Due{
			Webhook: "wh_1",
			At:      time.UnixMilli(rapid.OneOf(rapid.Int64Range(0, 300), rapid.Int64Range(0, 1<<50)).Draw(t, name+" at")).UTC(),
			Seq:     rapid.OneOf(rapid.Uint64Range(0, 300), rapid.Uint64()).Draw(t, name+" seq"),
			Company: companyNames().Draw(t, name+" company"), Call: "call_" + name,
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		for _, d := range []Due{a, b} {
			if got, err := ParseDue(d.Key(), d.value()); err != nil || got != d {
				t.Fatalf("%+v is read back as %+v, %v", d, got, err)
			}
		}
		want := a.At.Compare(b.At)
		if want == 0 {
			want = int(min(1, max(a.Seq, b.Seq)-b.Seq)) - int(min(1, max(a.Seq, b.Seq)-a.Seq))
		}
		if got := bytes.Compare(a.Key(), b.Key()); got != want {
			t.Fatalf("keys compare as %d, want %d", got, want)
		}
	})
	early := Due{Webhook: "wh_1", At: time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC), Seq: 1, Call: "c"}
	if got, err := ParseDue(early.Key(), early.value()); err != nil || got.At.UnixMilli() != 0 {
		t.Errorf("a time before 1970 is read back as %v, %v; want 1970", got.At, err)
	}
}

// TestOrderedDueKeys: an ordered call keeps its place in the queue, and its row says when the next attempt may begin.
func TestOrderedDueKeys(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		moment := func(name string) time.Time { return time.UnixMilli(rapid.Int64Range(0, 1<<50).Draw(t, name)).UTC() }
		d := Due{
			Webhook: "wh_1", At: moment("at"), Place: moment("place"), Seq: rapid.Uint64().Draw(t, "seq"),
			Company: companyNames().Draw(t, "company"), Call: "call_1",
		}
		if got, err := ParseDue(d.Key(), d.value()); err != nil || got != d {
			t.Fatalf("%+v is read back as %+v, %v", d, got, err)
		}
		later := d
		later.At = moment("later")
		if !bytes.Equal(d.Key(), later.Key()) {
			t.Fatal("the next attempt moves the call in its queue")
		}
		x := Expiry{At: d.At, Seq: d.Seq, Company: d.Company, Call: d.Call}
		if got, err := ParseExpiry(x.Key(), x.value()); err != nil || got != x {
			t.Fatalf("%+v is read back as %+v, %v", x, got, err)
		}
		if from, to := ExpiryRange(d.At); !within(x.Key(), from, to) {
			t.Fatalf("%q is not in the range from its own time on", x.Key())
		}
		if from, to := ExpiryRange(d.At.Add(time.Millisecond)); within(x.Key(), from, to) {
			t.Fatalf("%q is in the range from a later time on", x.Key())
		}
	})
}

// FuzzParseDue: rows from a damaged disk are refused or read, and what is read is written as it was.
func FuzzParseDue(f *testing.F) {
	ordered := Due{Webhook: "wh_1", At: time.UnixMilli(5), Place: time.UnixMilli(3), Seq: 7, Company: "42", Call: "call_1"}
	for _, d := range []Due{ordered, {Webhook: "wh_1", At: time.UnixMilli(5), Seq: 7, Company: "42", Call: "call_1"}, {}} {
		f.Add(d.Key(), d.value())
	}
	f.Add([]byte("r\x00due\x00"), []byte("42\x00call_1\x00short"))
	f.Fuzz(func(t *testing.T, k, value []byte) {
		d, err := ParseDue(k, value)
		if err != nil {
			if !errors.Is(err, ports.ErrDamaged) {
				t.Errorf("%v, want %v", err, ports.ErrDamaged)
			}
			return
		}
		if again, err := ParseDue(d.Key(), d.value()); err != nil || again != d {
			t.Errorf("%+v is read back as %+v, %v", d, again, err)
		}
	})
}

func TestParseRefusesDamage(t *testing.T) {
	t.Parallel()
	due := Due{Webhook: "", Seq: 1, Company: "42", Call: "call_1"}
	if _, err := ParseDue(due.Key()[:len(due.Key())-1], due.value()); !errors.Is(err, ports.ErrDamaged) {
		t.Errorf("a short due key: %v, want %v", err, ports.ErrDamaged)
	}
	if _, err := ParseDue(due.Key(), []byte("42\x00call_1\x00short")); !errors.Is(err, ports.ErrDamaged) {
		t.Errorf("a due value whose time is cut: %v, want %v", err, ports.ErrDamaged)
	}
	if _, err := ParseExpiry(Expiry{}.Key()[1:], []byte("42\x00call_1")); !errors.Is(err, ports.ErrDamaged) {
		t.Errorf("a short expiry key: %v, want %v", err, ports.ErrDamaged)
	}
	if _, err := ParseDue(due.Key(), []byte("42")); !errors.Is(err, ports.ErrDamaged) {
		t.Errorf("a due value without a call: %v, want %v", err, ports.ErrDamaged)
	}
	bad := ports.Pair{Key: []byte("r\x00x"), Value: []byte("{")}
	if w, _, ok, err := ParseWebhook(bad); ok || !errors.Is(err, ports.ErrDamaged) {
		t.Errorf("webhook %+v, %v, %v; want %v", w, ok, err, ports.ErrDamaged)
	}
	if c, _, seqs, err := ParseCall(bad); !errors.Is(err, ports.ErrDamaged) {
		t.Errorf("call %+v, %v, %v; want %v", c, seqs, err, ports.ErrDamaged)
	}
	if v, created, _, ok, err := ParseResource(bad); ok || !errors.Is(err, ports.ErrDamaged) {
		t.Errorf("resource %+v, %v, %v, %v; want %v", v, created, ok, err, ports.ErrDamaged)
	}
	if job, err := ParseJob(bad); !errors.Is(err, ports.ErrDamaged) {
		t.Errorf("job %+v, %v; want %v", job, err, ports.ErrDamaged)
	}
	if k, _, err := ParseKeyRow(bad); !errors.Is(err, ports.ErrDamaged) {
		t.Errorf("key %+v, %v; want %v", k, err, ports.ErrDamaged)
	}
}

// TestParsers read the rows of a small story as queries do.
func TestParsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(`register {"company":"42","url":"https://a.example/","eventTypes":["*"]}
		create-candidate {"company":"42","email":"ada@example.com","firstName":"Ada","lastName":"L"}
		KeyUsed {"company":"42","route":"r","key":"k"}`)
	pair := func(k []byte) ports.Pair { return ports.Pair{Key: k, Value: w.rows[string(k)]} }
	if got, sealed, ok, err := ParseWebhook(pair(WebhookKey("42", "wh_1"))); err != nil || !ok || got.ID != "wh_1" || sealed.Secrets[0].Digest == "" {
		t.Errorf("webhook is read as %+v, %q, %v, %v", got, sealed, ok, err)
	}
	if got, created, updated, ok, err := ParseResource(pair(ResourceRowKey("42", "candidate", "cand_1"))); err != nil || !ok ||
		got.Version != 1 || created.IsZero() || !created.Equal(updated) {
		t.Errorf("candidate is read as %+v, %v, %v, %v, %v", got, created, updated, ok, err)
	}
	if got, hasData, seqs, err := ParseCall(pair(CallKey("42", "call_1"))); err != nil || got.ID != "call_1" || hasData || !slices.Equal(seqs, []uint64{4}) {
		t.Errorf("call is read as %+v, %v, %v, %v", got, hasData, seqs, err)
	}
	if got, until, err := ParseKeyRow(pair(IdempotencyKey("42", "r", "k"))); err != nil || got != (UsedKey{"42", "r", "k"}) || !until.Equal(w.now.Add(KeyLife)) {
		t.Errorf("key is read as %+v, %v, %v", got, until, err)
	}
	w.script(`delete {"company":"42","id":"wh_1"}
		delete-candidate {"company":"42","id":"cand_1"}`)
	if _, _, ok, err := ParseWebhook(pair(WebhookKey("42", "wh_1"))); ok || err != nil {
		t.Errorf("a deleted webhook is said to exist: %v, %v", ok, err)
	}
	if _, _, _, ok, err := ParseResource(pair(ResourceRowKey("42", "candidate", "cand_1"))); ok || err != nil {
		t.Errorf("a deleted candidate is said to exist: %v, %v", ok, err)
	}
	if jobs := slices.Sorted(slices.Values(w.jobs)); len(jobs) != 1 || !strings.HasSuffix(string(JobKey(jobs[0])), jobs[0]) {
		t.Errorf("jobs are %v, want one", jobs)
	}
	from, to := JobRange()
	if k := JobKey(w.jobs[0]); !within(k, from, to) {
		t.Errorf("%q is not in the range of jobs", k)
	}
}

// TestKeySpaces: rows, vault and marks lie apart, and jobs in the order of their events.
func TestKeySpaces(t *testing.T) {
	t.Parallel()
	ref := ResourceRef{Type: "candidate", ID: "cand_1", Version: 1}
	rows := [][]byte{EngineKey(), ErasedKey("42", "msg_1"), JobKey("j"), IdempotencyKey("42", "r", "k"), Expiry{}.Key(), Due{}.Key()}
	vault := [][]byte{SecretKey("wh_1"), RotatedSecretKey("wh_1", "d"), HeadersKey("wh_1", "d"), ResourceKey(ref), DataKey("msg_1"), ResponseKey("call_1", 1, 2, 3)}
	rowFrom, rowTo := RowRange()
	vaultFrom, vaultTo := VaultRange()
	for _, k := range rows {
		if !within(k, rowFrom, rowTo) || within(k, vaultFrom, vaultTo) {
			t.Errorf("%q is a row and lies elsewhere", k)
		}
	}
	for _, k := range vault {
		if within(k, rowFrom, rowTo) || !within(k, vaultFrom, vaultTo) {
			t.Errorf("%q is a vault item and lies elsewhere", k)
		}
	}
	for _, k := range [][]byte{RebuildMark(), RestoreMark(), EventsMark(), KeyMark()} {
		if within(k, rowFrom, rowTo) || within(k, vaultFrom, vaultTo) {
			t.Errorf("%q is a mark and lies elsewhere", k)
		}
	}
	if from, to := IdempotencyRange(); !within(rows[3], from, to) {
		t.Errorf("%q is not in the range of idempotency keys", rows[2])
	}
	names := []string{JobName(9, 0), JobName(9, 1), JobName(9, 10), JobName(10, 0), JobName(16, 0), JobName(math.MaxUint64, 0)}
	if !slices.IsSorted(names) {
		t.Errorf("job names are out of order: %v", names)
	}
}

func TestChangeIsReadBack(t *testing.T) {
	t.Parallel()
	c := Change{Company: "4 2", Webhook: "wh_1", Seq: math.MaxUint64}
	if got, err := ParseChange(c.Key()); err != nil || got != c {
		t.Errorf("%+v, %v; want %+v", got, err, c)
	}
	for _, k := range []string{"r\x00change\x0042\x00wh_1", "r\x00change\x0042\x00wh_1\x0012", "r\x00change\x0042\x00wh_1\x000000000000000g00", ""} {
		if _, err := ParseChange([]byte(k)); !errors.Is(err, ports.ErrDamaged) {
			t.Errorf("key %q is read: %v", k, err)
		}
	}
}
