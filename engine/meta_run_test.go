package engine_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

// A disk outlives the engines that use it, one after the other.
type disk interface {
	// open returns the store as a new process finds it.
	open() (ports.Store, error)
	// crash leaves what a process that is killed now leaves behind.
	crash() error
}

// A run is one list in one setting. It lives in a bubble; its methods are for the test's goroutine, but for answer.
type run struct {
	*engine.Engine

	t        *testing.T
	list     list
	setting  setting
	disk     disk
	caller   *portstest.ScriptedCaller
	faults   *portstest.FaultStore
	began    time.Time
	starts   uint64
	crashes  int
	results  map[string]string
	problems []string
	looks    map[string][]string // rows by when they were looked at
	trace    bool                // look after every step

	mu     sync.Mutex
	store  ports.Store // of the engine that runs
	ledger *ledger
}

// defaultWaits are the schedule of webhooks that ask for none.
var defaultWaits = []time.Duration{6 * time.Hour, 11 * time.Hour}

// callTimeout is every webhook's.
const callTimeout = 5 * time.Second

// tell runs the whole list.
func (r *run) tell() {
	r.results, r.looks, r.ledger = map[string]string{}, map[string][]string{}, newLedger()
	r.caller = portstest.NewScriptedCaller()
	r.caller.Respond(r.answer)
	r.began = time.Now().Add(begin)
	pass(begin)
	r.start()
	defer func() { _ = r.Close() }() // where the test goes on, it has been closed already
	at := r.began
	for _, s := range r.list.steps {
		at = at.Add(time.Duration(s.cells) * cell)
		r.until(at)
		r.step(s)
		r.until(at.Add(lookAt))
		if r.trace {
			r.look(fmt.Sprintf("after step %d", s.number))
		}
	}
	r.look(atLast)
	r.until(at.Add(drainFor + lookAt))
	r.look(atTheEnd)
	if err := r.Close(); err != nil {
		r.problem("close: %v", err)
	}
	store, err := r.disk.open()
	if err != nil {
		r.t.Fatalf("open to verify: %v", err)
	}
	defer func() { _ = store.Close() }() // it was only read
	if report, err := engine.Verify(context.Background(), store, memstore.New()); err != nil || !report.OK() {
		r.problem("verify = %+v, %v", report, err)
	}
}

// The times at which rows are compared in any case: while much is open, and when everything has ended.
const (
	atLast   = "after the last step"
	atTheEnd = "at the end"
)

// step sends a step's commands, and does to the engine meanwhile what the setting asks for. Where a late command is under way nothing is
// cut off: an attempt of a call that has ended is not made again, so a crash may lose its success.
func (r *run) step(s step) {
	plan := r.setting.plan(r.list.seed, s.number)
	if plan.crash > 0 && s.late == nil {
		r.arm(plan)
	}
	for i, batch := range s.batches {
		r.send(s, i, batch)
	}
	if s.late != nil {
		r.pass(time.Second)
		r.send(s, len(s.batches), []command{*s.late})
	}
	if plan.restart {
		r.pass(500 * time.Millisecond)
		r.restart(plan.cut && s.late == nil)
	}
	r.pass(time.Hour / 2)
	for k := range maxCrash {
		r.faults.FailBefore(k+1, nil) // what was not reached stays away from the steps to come
	}
}

// maxCrash is how many writes after a step's beginning the crash may come.
const maxCrash = 6

// A plan is what a setting does to the engine in one step.
type plan struct {
	restart, cut bool // cut ends attempts under way
	crash        int  // which write from the step's beginning on breaks, 0 for none
	after        bool // after its effect
}

func (s setting) plan(seed uint64, step int) plan {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.String())) // never fails
	random := rand.New(rand.NewPCG(seed, h.Sum64()+uint64(step)))
	var p plan
	p.restart, p.cut = s.restarts && random.IntN(4) == 0, random.IntN(2) == 0
	if s.crashes && random.IntN(3) == 0 {
		p.crash, p.after = 1+random.IntN(maxCrash), random.IntN(2) == 0
	}
	return p
}

func (r *run) arm(p plan) {
	if p.after {
		r.faults.FailAfter(p.crash, errCrash)
	} else {
		r.faults.FailBefore(p.crash, errCrash)
	}
}

// start opens an engine over what the disk holds.
func (r *run) start() {
	r.t.Helper()
	store, err := r.disk.open()
	if err != nil {
		r.t.Fatalf("open store: %v", err)
	}
	r.faults = portstest.NewFaultStore(small{store, r.setting.part})
	r.mu.Lock()
	r.store = store
	r.mu.Unlock()
	var seed [32]byte
	r.starts++
	copy(seed[:], fmt.Sprintf("%d of %d", r.starts, r.list.seed))
	r.Engine, err = engine.OpenWithJitter(context.Background(), engine.Options{
		Store: r.faults, Bus: goBus(), Caller: r.caller,
		Key: engine.NewKey([engine.KeyBytes]byte{1}), Random: rand.NewChaCha8(seed),
		Defaults:  engine.Policy{Schedule: r.list.asked(defaultWaits), Timeout: callTimeout},
		NoBreaker: true, // it would change when attempts are made, by how many failed before
	}, r.list.jitter)
	if err != nil {
		r.t.Fatalf("open engine: %v", err)
	}
	r.settle()
}

// restart stops the engine and opens it anew; cut ends the attempts under way, which are then made again.
func (r *run) restart(cut bool) {
	r.t.Helper()
	stop := r.Close
	if !cut {
		stop = func() error { return r.Shutdown(context.Background()) }
	}
	if err := stop(); errors.Is(err, errCrash) {
		r.crash()
	} else if err != nil {
		r.problem("stop: %v", err)
	}
	r.start()
}

// crash leaves the disk as a killed process does.
func (r *run) crash() {
	r.t.Helper()
	r.crashes++
	if err := r.disk.crash(); err != nil {
		r.t.Fatalf("crash: %v", err)
	}
}

// recover goes on, if the engine has crashed, with what it left behind.
func (r *run) recover() {
	r.t.Helper()
	select {
	case <-r.Failed():
		r.crash()
		_ = r.Close() // it reports the crash; nothing is written by it
		r.start()
	default:
	}
}

// answer is what the receivers say. It is called by many goroutines at once.
func (r *run) answer(q ports.Request) portstest.ScriptedReply {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.store.View(context.Background(), r.ledger.follow); err != nil {
		return portstest.ScriptedReply{Reply: ports.Reply{Class: ports.ClassInternal, Error: err.Error()}}
	}
	to, err := url.Parse(q.URL)
	if err != nil {
		return portstest.ScriptedReply{Reply: ports.Reply{Class: ports.ClassInternal, Error: err.Error()}}
	}
	hook := strings.TrimPrefix(to.Path, "/")
	call, attempt := r.ledger.attempt(q.Header["webhook-id"], hook)
	return answerTo(r.list.seed, call, hook, attempt).reply()
}

// problem notes what must not happen in any setting.
func (r *run) problem(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// look keeps the rows as they are now.
func (r *run) look(when string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.store.View(context.Background(), func(reader ports.Reader) (err error) {
		r.looks[when], err = r.ledger.rows(reader)
		return err
	})
	if err != nil {
		r.problem("look at the rows %s: %v", when, err)
	}
}
