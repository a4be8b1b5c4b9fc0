package engine

import (
	"context"
	"log/slog"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// The pace of replays.
const (
	// replayTick is how often a replay takes a step: small steps, so that a live call never finds many before it.
	replayTick = 50 * time.Millisecond
	// maxReplayWaiting is how many calls of a replay wait for their first attempt at the most. It requests none beyond, so that what stands
	// before a live call of the same webhook is bounded, and a receiver that is slow or paused is not buried.
	maxReplayWaiting = core.StepCalls
)

// A replayer takes the steps of all replays that run, each at its rate and behind live traffic. They are not among the jobs, which go
// on without a rest until they are done: a replay lasts, and nothing must wait for its end. It is one goroutine; it ends when its context does.
type replayer struct {
	plan   replayPlan
	writer *writer
	log    *slog.Logger
	wake   chan struct{}
	due    map[string]time.Time // by company: when its replay's next step is due, monotonic
}

// committed wakes the runner when a replay begins or goes on.
func (x *replayer) committed(c committed) {
	for _, e := range c.events {
		switch e.Event.(type) {
		case core.ReplayStarted, core.ReplayResumed:
			nudge(x.wake)
		}
	}
}

func (x *replayer) run(ctx context.Context) {
	for ctx.Err() == nil {
		rest, err := x.round(ctx)
		if err != nil && ctx.Err() == nil {
			x.log.Warn("replays could not be read; it is tried again", "error", err)
			pause(ctx)
			continue
		}
		timer := time.NewTimer(rest)
		select {
		case <-ctx.Done():
		case <-x.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// round takes a step of each replay whose next is due, and returns how long there is nothing to do.
func (x *replayer) round(ctx context.Context) (rest time.Duration, err error) {
	running, err := x.running(ctx)
	if err != nil {
		return 0, err
	}
	rest = maxRest
	due := make(map[string]time.Time, len(running))
	for _, replay := range running {
		from, now := x.due[replay.Company], time.Now()
		if from.IsZero() || now.Sub(from) > replayTick {
			from = now // what was missed is not made up for
		}
		if !from.After(now) {
			made, err := x.step(ctx, replay)
			from = from.Add(time.Duration(float64(made) / replay.Rate * float64(time.Second)))
			switch {
			case err != nil && ctx.Err() == nil:
				x.log.Warn("a replay could not go on; it is tried again", "replay", replay.ID, "error", err)
				from = now.Add(retryPause) // the others go on
			case made == 0:
				from = now.Add(replayTick)
			}
		}
		due[replay.Company] = from
		rest = min(rest, max(time.Millisecond, time.Until(from)))
	}
	x.due = due
	return rest, nil
}

// running returns the replays of all companies that run.
func (x *replayer) running(ctx context.Context) (out []Replay, err error) {
	err = x.plan.store.View(ctx, func(r ports.Reader) error {
		from, to := core.OpenReplayRange()
		for pair, err := range r.Scan(from, to, false) {
			if err != nil {
				return err
			}
			company, id, err := core.ParseOpenReplay(pair)
			if err != nil {
				return err
			}
			replay, err := readReplay(r, company, id)
			if err != nil {
				return err
			}
			if replay.State == core.ReplayIsRunning {
				out = append(out, replay)
			}
		}
		return nil
	})
	return out, err
}

func readReplay(r ports.Reader, company, id string) (Replay, error) {
	k := core.ReplayKey(company, id)
	value, err := r.Get(k)
	if err != nil {
		return Replay{}, err
	}
	return core.ParseReplay(ports.Pair{Key: k, Value: value})
}

// step requests the next calls of a replay, as many as a tick's share of its rate and as there is room for.
func (x *replayer) step(ctx context.Context, replay Replay) (made int, err error) {
	room := maxReplayWaiting - replay.Progress.Waiting
	if room <= 0 {
		return 0, nil
	}
	share := max(1, int(replay.Rate*replayTick.Seconds()))
	step, err := x.plan.next(ctx, replay, min(room, share))
	if err != nil {
		return 0, err
	}
	err = x.writer.accept(ctx, 0, func(b *batch) (core.Decision, error) {
		return core.AdvanceReplay(b.State, b, b.now, replay.Company, replay.ID, step)
	})
	if err != nil {
		return 0, err // the writer may still look at the step
	}
	return step.Sends(), nil
}
