package harness

import "context"

// A TB is the part of testing.TB that a receiver in a test needs; *testing.T and *testing.B are TBs.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	Cleanup(f func())
}

// NewReceiver is [Start] for a test. The receiver closes when the test ends. A delivery that failed a check then fails the test,
// with an account of what came; a test that had failed already has the account logged. At most one Options is used.
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

func (r *Receiver) report(tb TB) {
	tb.Helper()
	switch a := r.Account(); {
	case a.Bad > 0:
		tb.Errorf("harness: receiver %s got what the secret does not confirm: %v", r.base, a)
	case tb.Failed():
		tb.Logf("harness: receiver %s: %v", r.base, a)
	}
}
