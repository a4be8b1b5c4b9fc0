package fill_test

import (
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"posthorn"
	"posthorn/bench/internal/fill"
	"posthorn/bench/internal/numbered"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// What came and went has ended, and what was held stands ready, when the directory is opened again.
func TestFill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := fill.Open(t.Context(), dir)
	check(t, err)
	ids, err := d.Register(t.Context(), "42", "http://127.0.0.1:1/0", "http://127.0.0.1:1/1")
	if check(t, err); len(ids) != 2 || ids[0] == ids[1] {
		t.Errorf("webhooks %v", ids)
	}
	company := func(int) string { return "42" }
	check(t, d.Publish(t.Context(), numbered.Numbers{Count: 30}, 2, company), d.Create(t.Context(), numbered.Numbers{Count: 5}, 2, "42"))
	check(t, d.Settle(t.Context()))
	d.Hold()
	check(t, d.Publish(t.Context(), numbered.Numbers{First: 30, Count: 20}, 2, company), d.Close(t.Context()))

	sizes, err := fill.SizesOf(t.Context(), dir)
	if check(t, err); sizes.Log == 0 || sizes.Rows == 0 || sizes.Vault == 0 {
		t.Errorf("sizes %+v", sizes)
	}
	if got := states(t, dir); got[posthorn.Succeeded] != 70 || got[posthorn.Pending] != 40 {
		t.Errorf("calls %v, want 70 that ended and 40 that wait", got)
	}
}

// states counts the calls of company 42 by state, as an engine finds them whose calls are refused: nothing listens there.
func states(t *testing.T, dir string) map[posthorn.CallState]int {
	t.Helper()
	engine, err := posthorn.Open(t.Context(), posthorn.Options{Dir: dir})
	check(t, err)
	defer func() { check(t, engine.Close()) }()
	count := map[posthorn.CallState]int{}
	for call, err := range engine.Calls(t.Context(), posthorn.CallQuery{Company: "42"}) {
		check(t, err)
		if call.State == posthorn.Failed { // blocked: it was ready
			call.State = posthorn.Pending
		}
		count[call.State]++
	}
	return count
}

func TestRegisterRefused(t *testing.T) {
	t.Parallel()
	d, err := fill.Open(t.Context(), t.TempDir())
	check(t, err)
	if ids, err := d.Register(t.Context(), strconv.Itoa(42), "no url"); err == nil {
		t.Errorf("registered %v", ids)
	}
	check(t, d.Close(t.Context()))
}
