package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// A kill is one SIGKILL that fell on a server that had started; in a fleet a SIGKILL or SIGTERM that fell on any of its processes.
type kill struct {
	number     int           // from 1
	kind       string        // in a fleet: EngineKilled and so on
	what, how  string        // in a fleet: the process and the signal
	began, at  time.Time     // when that server was started, and when it was killed
	accepted   int           // in all, by then
	unanswered int           // commands that got no answer because of it
	underWay   int           // attempts that the receiver had not answered
	back       time.Duration // from the kill until the server took requests again
	startCut   int           // starts killed meanwhile

	// From the log, afterwards: attempts that the receiver had seen and the log does not know, and which of them came again.
	unknown, repeated int
}

// counts says whether it fell on what it was to fall on.
func (k kill) counts() bool { return k.unanswered > 0 && k.underWay > 0 }

// startCutEvery: one restart of so many is killed itself.
const startCutEvery = 4

// longestStart is the latest moment for that: the whole start takes longer, if not by much.
const longestStart = 60 * time.Millisecond

// A killer kills at moments when at least one command is unanswered and one attempt is under way.
type killer struct {
	order   Run
	server  *server
	witness *witness
	clients *clients
	rand    *rand.Rand
	kills   []kill
}

func newKiller(r Run, s *server, w *witness, c *clients) *killer {
	return &killer{
		order: r, server: s, witness: w, clients: c,
		rand: rand.New(rand.NewPCG(r.Seed, 2)), //nolint:gosec // repeatable by its seed
	}
}

// run returns when the last kill has fallen and the server is back.
func (k *killer) run(ctx context.Context) error {
	for k.counted() < k.order.Kills {
		if err := k.wait(ctx); err != nil {
			return err
		}
		if err := k.killOnce(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (k *killer) fallen() (all []kill, counted int) { return k.kills, k.counted() }

func (k *killer) counted() (n int) {
	for _, one := range k.kills {
		if one.counts() {
			n++
		}
	}
	return n
}

// wait lets some be accepted: as many between two kills, in the mean, as spread the kills over all candidates.
func (k *killer) wait(ctx context.Context) error {
	until := k.clients.accepted() + 1 + k.rand.IntN(2*k.order.between())
	for k.clients.accepted() < until {
		if err := k.hear(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (k *killer) hear(ctx context.Context) error {
	select {
	case <-k.clients.news:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// killOnce tries until a kill falls, and starts the server again.
func (k *killer) killOnce(ctx context.Context) error {
	one := kill{number: len(k.kills) + 1, began: k.server.began}
	for fell := false; !fell; {
		err := k.next(ctx)
		if err == nil {
			fell, err = k.strike(&one)
		}
		if err != nil {
			return err
		}
	}
	var err error
	if one.unanswered, err = k.clients.door.left(ctx); err != nil {
		return fmt.Errorf("kill %d: commands to a server that is dead do not end: %w", one.number, err)
	}
	if one.startCut, err = k.restart(ctx); err != nil {
		return fmt.Errorf("start again after kill %d: %w", one.number, err)
	}
	one.back = time.Since(one.at)
	k.kills = append(k.kills, one)
	k.clients.door.reopen(true)
	return nil
}

// shortCommand: most commands take about as long.
const shortCommand = 3 * time.Millisecond

// next waits for a moment to strike at. In a sequential run it is while a command is on its way that has just begun: there are few.
func (k *killer) next(ctx context.Context) error {
	if err := k.hear(ctx); err != nil || k.clients.ordered == nil {
		return err
	}
	return pause(ctx, time.Duration(k.rand.Int64N(int64(shortCommand))))
}

// strike kills if a command is unanswered and an attempt is under way, both at this moment: no answer goes to the server any more
// before it is dead.
func (k *killer) strike(one *kill) (fell bool, err error) {
	err = k.witness.still(one.number, func(underWay int) (bool, error) {
		if k.clients.door.shut() == 0 || underWay == 0 {
			k.clients.door.reopen(false)
			return false, nil
		}
		one.at, one.accepted, one.underWay, fell = time.Now(), k.clients.accepted(), underWay, true
		return true, k.server.kill()
	})
	return fell, err
}

// restart starts the server at once, at times killing starts before.
func (k *killer) restart(ctx context.Context) (cut int, err error) {
	k.witness.serverStarts()
	for {
		if k.rand.IntN(startCutEvery) > 0 {
			return cut, k.server.start(ctx)
		}
		killed, err := k.server.startAndKill(ctx, time.Duration(k.rand.Int64N(int64(longestStart))))
		if err != nil || !killed {
			return cut, err
		}
		cut++
	}
}
