package load

import (
	"context"
	"time"
)

// History is what the sender says of the calls of this run.
type History struct {
	// States counts them; Wrong names those that are not in the state that the faults lead to, Missing those that it does not have,
	// if it was read to its end.
	States  map[CallState]int `json:"states"`
	Wrong   Named             `json:"wrong"`
	Missing Named             `json:"missing"`
	// Err is why it could not be read to its end.
	Err string `json:"error,omitempty"`
}

// askHistory reads the sender's history until no call is pending, or ctx ends.
func askHistory(ctx context.Context, l *ledger, companies []string, calls func(context.Context, string, func(Call)) error) *History {
	const most = 2 * time.Second
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, most) {
		a := l.audit()
		for _, company := range companies {
			if err := calls(ctx, company, a.see); err != nil {
				a.h.Err = err.Error()
				return a.close()
			}
		}
		if !a.pending || !wait(ctx, pause) {
			return a.close()
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// An audit compares the calls of a history with the ledger.
type audit struct {
	l       *ledger
	h       *History
	pending bool
}

func (l *ledger) audit() *audit {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.slots {
		l.slots[i].flags &^= told | toldRight
	}
	return &audit{l: l, h: &History{States: map[CallState]int{}}}
}

// see takes one call; those of others are passed over.
func (a *audit) see(c Call) {
	l := a.l
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := l.number(c.Message)
	hook, known := l.hooks[c.Webhook]
	if !ok || !known || hook/l.fan != n%l.companies {
		return
	}
	a.pending = a.pending || c.State == Pending
	a.h.States[c.State]++
	s := &l.slots[n*l.fan+hook%l.fan]
	s.flags |= told
	if c.State == l.shouldBe(n) {
		s.flags |= toldRight
	}
}

func (a *audit) close() *History {
	l, h := a.l, a.h
	l.mu.Lock()
	defer l.mu.Unlock()
	for n, state := range l.states {
		for i, s := range l.slots[n*l.fan : (n+1)*l.fan] {
			switch {
			case state != accepted:
			case s.flags&told == 0:
				if h.Err == "" { // else it may stand in what was not read
					h.Missing.add(l.name(n, n%l.companies*l.fan+i))
				}
			case s.flags&toldRight == 0:
				h.Wrong.add(l.name(n, n%l.companies*l.fan+i))
			}
		}
	}
	h.Wrong, h.Missing = h.Wrong.sorted(), h.Missing.sorted()
	return h
}

// shouldBe is how a call for message n should have ended.
func (l *ledger) shouldBe(n int) CallState {
	if l.lastly(n) {
		return Failed
	}
	return Succeeded
}
