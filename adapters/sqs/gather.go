package sqs

import (
	"slices"
	"sync"
)

const (
	mostEntries  = 10 // of one request, by SQS
	mostRequests = 8  // of one kind under way on one queue
)

// A gatherer hands what waits to flush, in groups that fit into one request: up to ten entries, up to 1 MiB. A request goes at
// once when none is under way, and when a full group waits; so requests are full under load, and nothing waits for a timer. It
// holds no goroutine while nothing waits. flush and join are needed.
type gatherer[E any] struct {
	flush func(group []E) // is called by at most mostRequests goroutines at once
	size  func(E) int     // bytes; nil where they do not matter
	join  *sync.WaitGroup // joins those goroutines; whoever calls add holds Wait back

	mu      sync.Mutex
	waiting []E
	running int
}

// add puts entries behind those that wait. It does not block.
func (g *gatherer[E]) add(entries ...E) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, entries...)
	for g.running < mostRequests && len(g.waiting) > 0 && (g.running == 0 || len(g.waiting) >= mostEntries) {
		g.running++
		group := g.take()
		g.join.Go(func() { g.work(group) }) // ends when nothing waits
	}
}

func (g *gatherer[E]) work(group []E) {
	for ; group != nil; group = g.next() {
		g.flush(group)
	}
}

// next takes the next group; without one the caller is counted out.
func (g *gatherer[E]) next() []E {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.running--
		return nil
	}
	return g.take()
}

// take cuts off what fits into one request. Something waits.
func (g *gatherer[E]) take() []E {
	n := 0
	for bytes := 0; n < min(mostEntries, len(g.waiting)); n++ {
		if g.size != nil {
			bytes += g.size(g.waiting[n])
		}
		if n > 0 && bytes > mostBytes {
			break
		}
	}
	group := slices.Clone(g.waiting[:n])
	clear(g.waiting[:n]) // so that they are not held until the slice grows anew
	g.waiting = g.waiting[n:]
	return group
}
