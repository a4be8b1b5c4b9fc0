package harness

import (
	"context"
	"fmt"
	"strings"
)

// A TB is the part of testing.TB that a receiver in a test needs; *testing.T and *testing.B are TBs.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	Cleanup(f func())
}

// NewReceiver is [Start] for a test. The receiver closes when the test ends, and then fails the test if a delivery failed a check, or if
// what came is not what Expect or ExpectInOrder said: then it shows what is wrong, and what came. A test that had failed already has
// that logged. At most one Options is used.
func NewReceiver(tb TB, o ...Options) *Receiver {
	tb.Helper()
	var opts Options
	if len(o) > 0 {
		opts = o[0]
	}
	r, err := Start(context.Background(), opts)
	if err != nil {
		tb.Fatalf("harness: %v", err)
		return nil
	}
	tb.Cleanup(func() {
		tb.Helper()
		_ = r.Close()
		r.report(tb)
	})
	return r
}

// report judges the receiver as a whole, and each path that has expectations of its own.
func (r *Receiver) report(tb TB) {
	tb.Helper()
	scopes := []*scope{&r.scope}
	for _, e := range r.sorted() {
		if len(e.expected.ids) > 0 {
			scopes = append(scopes, &e.scope)
		}
	}
	for _, s := range scopes {
		a := s.Account()
		switch wrong := s.wrong(a); {
		case len(wrong) > 0:
			tb.Errorf("harness: %s: %s\n%v%s", r.base+s.path, strings.Join(wrong, ", "), a, s.came())
		case tb.Failed():
			tb.Logf("harness: %s:\n%v%s", r.base+s.path, a, s.came())
		}
	}
}

// wrong says in a few words what is not as it was to be.
func (s *scope) wrong(a Account) (wrong []string) {
	count := func(n int, what string) {
		if n > 0 {
			wrong = append(wrong, fmt.Sprintf("%d %s", n, what))
		}
	}
	count(a.Bad, "failed a check")
	if a.Expected == 0 {
		return wrong
	}
	count(a.Duplicates, "came again after a 2xx")
	if s.expected.inOrder {
		count(len(a.Late), "came out of order")
	}
	count(len(a.Lost), fmt.Sprintf("of %d expected did not come", a.Expected))
	return wrong
}

// came lists the last deliveries.
func (s *scope) came() string {
	const most = 20
	var b strings.Builder
	all := s.Deliveries()
	if len(all) > most {
		fmt.Fprintf(&b, "\n  came: the last %d were", most)
		all = all[len(all)-most:]
	}
	for _, d := range all {
		fmt.Fprintf(&b, "\n  came: %v, answered %d", d, d.Status)
	}
	return b.String()
}
