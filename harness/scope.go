package harness

import (
	"slices"
	"strings"
	"sync/atomic"
)

// A scope is a part of what a receiver hears: all of it, or one path. Receiver and Endpoint have its methods.
type scope struct {
	r        *Receiver
	path     string // empty: all paths
	checks   atomic.Pointer[checker]
	underWay atomic.Int64
	most     atomic.Int64 // that underWay has been
	moved    atomic.Int64 // when a request last ended, in nanoseconds since the receiver began
	replies  replies
	expected expected
}

func (s *scope) covers(d *Delivery) bool { return s.path == "" || s.path == d.Path }

// forget is Receiver.Reset for one scope. The caller holds the lock.
func (s *scope) forget() { s.replies, s.expected = replies{}, expected{} }

// SetSecret says what deliveries are verified with from now on; those that came before stay as they are. A secret that begins
// with whsec_ demands the headers of Standard Webhooks v1. With it, or with any other text, a body that names a resource at its
// top ("resourceId") must also have the right "token": lower-case hex of HMAC-SHA256, keyed by the text of the secret, over
// resourceId and triggeredAt. An empty secret ends verifying; an endpoint without one uses the receiver's.
func (s *scope) SetSecret(secret string) error {
	if secret == "" {
		s.checks.Store(nil)
		return nil
	}
	c, err := newChecker(secret, s.r.opts.Tolerance)
	if err != nil {
		return err
	}
	s.checks.Store(&c)
	return nil
}

// SetHMAC is SetSecret for a sender that signs with one header of its own. Each takes the place of the other.
func (s *scope) SetHMAC(h HMAC) error {
	if err := h.complete(); err != nil {
		return err
	}
	c := h.checker()
	s.checks.Store(&c)
	return nil
}

func (s *scope) checker() checker {
	if c := s.checks.Load(); c != nil {
		return *c
	}
	if c := s.r.checks.Load(); c != nil {
		return *c
	}
	return nil
}

// Reply scripts the next answers, after those that are scripted already. They are used first in, first out, each as often as its
// Times says; when none is left that fits, those with Keep are used; then those of the receiver, if this is an endpoint; then 204.
func (s *scope) Reply(replies ...Reply) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.replies.add(replies)
}

// Script is Reply in place of all that is scripted so far. Without replies it clears the script.
func (s *scope) Script(all ...Reply) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.replies = replies{}
	s.replies.add(all)
}

// UnderWay is how many requests are being read, held or answered at this moment.
func (s *scope) UnderWay() int { return int(s.underWay.Load()) }

// MostUnderWay is how many have been under way at once, at the most.
func (s *scope) MostUnderWay() int { return int(s.most.Load()) }

// begin counts a request that is under way.
func (s *scope) begin() {
	now := s.underWay.Add(1)
	for {
		most := s.most.Load()
		if now <= most || s.most.CompareAndSwap(most, now) {
			return
		}
	}
}

// Deliveries are the last ones, oldest first, at most Options.Keep for the whole receiver. The slice is the caller's.
func (s *scope) Deliveries() []Delivery {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	var all []Delivery
	for d := range s.r.kept.each {
		if s.covers(d) {
			all = append(all, *d)
		}
	}
	return all
}

// ledgers are those of the scope, in the order of their paths. The caller holds the lock.
func (s *scope) ledgers() []*ledger {
	if s.path != "" {
		return []*ledger{&s.r.Endpoint(s.path).ledger}
	}
	all := s.r.sorted()
	ledgers := make([]*ledger, len(all))
	for i, e := range all {
		ledgers[i] = &e.ledger
	}
	return ledgers
}

// sorted are the endpoints in the order of their paths.
func (r *Receiver) sorted() []*Endpoint {
	var all []*Endpoint
	r.endpoints.Range(func(_, v any) bool {
		e, _ := v.(*Endpoint) // nothing else is stored
		all = append(all, e)
		return true
	})
	slices.SortFunc(all, func(a, b *Endpoint) int { return strings.Compare(a.path, b.path) })
	return all
}
