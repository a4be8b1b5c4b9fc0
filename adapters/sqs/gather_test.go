package sqs

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// Every entry goes once and in order, in groups that a request may have, and never more of them at once than may be.
func TestGatherer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(1, mostBytes), 1, 200).Draw(r, "sizes")
		each := rapid.IntRange(1, 30).Draw(r, "each")
		synctest.Test(t, func(*testing.T) {
			var (
				join          sync.WaitGroup
				mu            sync.Mutex
				taken         []int
				running, most int
			)
			g := gatherer[int]{join: &join, size: func(i int) int { return sizes[i] }}
			g.flush = func(group []int) {
				mu.Lock()
				taken = append(taken, group...)
				running++
				most = max(most, running)
				mu.Unlock()
				bytes := 0
				for _, i := range group {
					bytes += sizes[i]
				}
				if len(group) == 0 || len(group) > 10 || bytes > 1<<20 && len(group) > 1 {
					r.Errorf("a group of %d entries with %d bytes", len(group), bytes)
				}
				time.Sleep(time.Second) // fake
				mu.Lock()
				running--
				mu.Unlock()
			}
			all := make([]int, len(sizes))
			for i := range all {
				all[i] = i
			}
			for some := range slices.Chunk(all, each) {
				g.add(some...)
			}
			join.Wait()
			slices.Sort(taken) // goroutines begin in any order
			if !slices.Equal(taken, all) || most > mostRequests || running != 0 || g.running != 0 {
				r.Errorf("of %d entries went %s, %d requests at once", len(all), fmt.Sprint(taken), most)
			}
		})
	})
}

// One request goes at once; while it is under way up to nine entries wait, and a tenth brings a second request, and so on up to eight.
func TestGathererStartsAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var join sync.WaitGroup
		end, groups := make(chan struct{}), make(chan int, 100)
		g := gatherer[int]{join: &join, flush: func(group []int) {
			groups <- len(group)
			<-end
		}}
		for range 10 {
			g.add(0)
		}
		synctest.Wait()
		if len(groups) != 1 {
			t.Errorf("%d requests with nine waiting", len(groups))
		}
		g.add(0)
		synctest.Wait()
		if len(groups) != 2 || <-groups+<-groups != 11 {
			t.Error("a full group does not go at once")
		}
		g.add(make([]int, 200)...)
		synctest.Wait()
		if len(groups) != mostRequests-2 {
			t.Errorf("%d requests more with 200 waiting and two under way", len(groups))
		}
		close(end)
		join.Wait()
	})
}
