package engine_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports/portstest"
)

// TestEventsOverAFaultyBus: every third Publish goes wrong in one way. No event is left out, and the order holds.
func TestEventsOverAFaultyBus(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]portstest.BusFault{
		"fails before": portstest.BusFailBefore, "fails after": portstest.BusFailAfter, "duplicates": portstest.BusDuplicate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				var r reader
				b := open(t, r.feeding(func(nth int) portstest.BusFault {
					if nth%3 == 1 {
						return fault
					}
					return portstest.BusFaithful
				}))
				defer b.close()
				b.many(5)
				for i := range 100 {
					b.publish(fmt.Sprint(i))
					pass(100 * time.Millisecond)
				}
				pass(time.Minute)
				repeated := r.wantAll(t, b.last())
				if want := fault != portstest.BusFailBefore; repeated > 0 != want {
					t.Errorf("%d events were repeated", repeated)
				}
			})
		})
	}
}

// TestEventsWaitForTheBus: a transport that takes no events for ten minutes holds nothing else up, is asked now and then, and gets all events
// when it is back. The log tells of it once.
func TestEventsWaitForTheBus(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var r reader
		var logs strings.Builder
		var mu sync.Mutex
		away, tries := true, 0
		b := open(t, func(o *engine.Options) { o.Logger = slog.New(slog.NewTextHandler(&logs, nil)) }, r.feeding(func(int) portstest.BusFault {
			mu.Lock()
			defer mu.Unlock()
			if tries++; away {
				return portstest.BusFailBefore
			}
			return portstest.BusFaithful
		}))
		b.many(1)
		for i := range 120 {
			b.publish(fmt.Sprint(i))
			pass(5 * time.Second)
		}
		b.wantStates(map[string]int{"succeeded": 120})
		mu.Lock()
		if away = false; tries < 30 || tries > 60 {
			t.Errorf("the bus was asked %d times in ten minutes", tries)
		}
		mu.Unlock()
		pass(20 * time.Second)
		if repeated := r.wantAll(t, b.last()); repeated > 0 {
			t.Errorf("%d events were repeated", repeated)
		}
		b.close()
		if n := strings.Count(logs.String(), "events are not published"); n != 1 || strings.Count(logs.String(), "events are published again") != 1 {
			t.Errorf("the log tells of it %d times:\n%s", n, logs.String())
		}
	})
}

// TestEventsOverRestarts: a stop in order repeats nothing, a crash a bounded number, and neither leaves a gap.
func TestEventsOverRestarts(t *testing.T) {
	t.Parallel()
	for name, crash := range map[string]bool{"stop": false, "crash": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				var r reader
				disk, caller, most := memstore.New(), portstest.NewScriptedCaller(), 0
				for round := range 4 {
					before := len(r.events())
					s := &session{Store: disk}
					b := open(t, r.feeding(func(nth int) portstest.BusFault {
						if crash && nth > 6 {
							return portstest.BusFailBefore // so that the crash comes in the middle
						}
						return portstest.BusFaithful
					}), func(o *engine.Options) { o.Store, o.Caller = s, caller })
					if round == 0 {
						b.many(3)
					}
					for range 150 { // with three calls each, and three events a call
						b.publish(`1`)
					}
					pass(time.Duration(round) * 450 * time.Millisecond) // before the cursor is saved, and after
					if crash {
						s.closed.Store(true)
						_ = b.Close() // nothing more is stored
					} else {
						b.close()
					}
					most = max(most, len(r.events())-before)
				}
				b := open(t, r.feeding(faithful), func(o *engine.Options) { o.Store, o.Caller = &session{Store: disk}, caller })
				defer b.close()
				pass(time.Minute)
				if most < 700 {
					t.Errorf("%d events in a run; there is little to be repeated", most)
				}
				repeated := r.wantAll(t, b.last())
				if !crash && repeated > 0 || crash && (repeated == 0 || repeated > 4*(1000+128)) {
					t.Errorf("%d events were repeated", repeated)
				}
				wantVerified(t, disk)
			})
		})
	}
}

// TestEventsBeginWithTheFirst: switched on late, switched off and on again, every event is told.
func TestEventsBeginWithTheFirst(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var r reader
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		for _, on := range []bool{false, true, false, true} {
			b := open(t, r.feeding(faithful), func(o *engine.Options) { o.Store, o.Caller, o.PublishEvents = &session{Store: disk}, caller, on })
			for range 200 {
				b.publish(`1`)
			}
			told := len(r.events())
			pass(time.Minute)
			if on {
				if repeated := r.wantAll(t, b.last()); repeated > 0 {
					t.Errorf("%d events were repeated", repeated)
				}
			} else if len(r.events()) != told {
				t.Error("events are published, though nobody asked for it")
			}
			b.close()
		}
		if r.most > 128 {
			t.Errorf("%d events were published at once", r.most)
		}
	})
}

// TestEventsOverARebuild: the mark is no part of what the log folds to, and stays where it is.
func TestEventsOverARebuild(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var r reader
		disk, caller := memstore.New(), portstest.NewScriptedCaller()
		for range 2 {
			b := open(t, r.feeding(faithful), func(o *engine.Options) { o.Store, o.Caller = &session{Store: disk}, caller })
			b.publish(`1`)
			pass(time.Minute)
			if repeated := r.wantAll(t, b.last()); repeated > 0 {
				t.Errorf("%d events were repeated", repeated)
			}
			b.close()
			wantVerified(t, disk)
			if _, err := engine.Rebuild(t.Context(), disk); err != nil {
				t.Fatal(err)
			}
		}
	})
}
