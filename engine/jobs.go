package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// expireEvery is how often idempotency keys are looked through; they last for 24 hours.
const expireEvery = time.Hour

// stepRows is how many jobs are read at once, and how many idempotency keys one step forgets.
const stepRows = 256

// A jobs runner does what is too much for one commit: rests of plans, the backlog of a webhook that was disabled or deleted, calls and
// idempotency keys whose time is over. Each step is a command behind live traffic; a step of every open job in turn. A crash loses
// nothing: the jobs lie in the rows. It is one goroutine; it ends when its context does.
type jobs struct {
	store  ports.Store
	writer *writer
	clock  *clock
	log    *slog.Logger
	wake   chan struct{}
	ages   ages
	eraser eraser
	master *masterRing
}

// committed wakes the runner when a commit has begun a job, or a call that ends before all others.
func (j *jobs) committed(c committed) {
	wakes := false
	for _, e := range c.events {
		switch e := e.Event.(type) {
		case core.CallsPlanned, core.WebhookDisabled, core.WebhookDeleted, core.PayloadErased, core.MasterKeyRotated:
			wakes = true
		case core.CallRequested:
			wakes = j.ages.sooner(e.ExpiresAt.Time()) || wakes
		}
	}
	if wakes {
		nudge(j.wake)
	}
}

func (j *jobs) run(ctx context.Context) {
	expire := time.NewTicker(expireEvery)
	defer expire.Stop()
	j.ages.sooner(j.clock.now()) // look once
	age := time.NewTimer(maxRest)
	defer age.Stop()
	for ctx.Err() == nil {
		if err := errors.Join(j.round(ctx), j.expireCalls(ctx)); err != nil && ctx.Err() == nil {
			j.log.Warn("a job could not go on; it is tried again", "error", err)
			pause(ctx)
			continue
		}
		age.Reset(j.ages.rest(j.clock.now()))
		select {
		case <-ctx.Done():
		case <-j.wake:
		case <-age.C:
		case <-expire.C:
			if err := j.expireKeys(ctx); err != nil && ctx.Err() == nil {
				j.log.Warn("expire idempotency keys", "error", err)
			}
			if err := j.master.retire(ctx, j.clock.now()); err != nil && ctx.Err() == nil {
				j.log.Warn("erase secrets that sign no more", "error", err)
			}
		}
	}
}

// round does one step of every open job until there is none.
func (j *jobs) round(ctx context.Context) error {
	for ctx.Err() == nil {
		open, err := j.open(ctx)
		if err != nil || len(open) == 0 {
			return err
		}
		var errs error
		for _, job := range open {
			if err := j.step(ctx, job); err != nil {
				errs = errors.Join(errs, fmt.Errorf("job %s: %w", job.Name, err)) // the others go on
			}
		}
		if errs != nil {
			return errs
		}
	}
	return nil
}

// open returns the oldest open jobs, a bounded number.
func (j *jobs) open(ctx context.Context) ([]core.Job, error) {
	var out []core.Job
	err := j.store.View(ctx, func(r ports.Reader) (err error) {
		out, err = openJobs(r)
		return err
	})
	return out, err
}

func openJobs(r ports.Reader) (out []core.Job, err error) {
	from, to := core.JobRange()
	for pair, err := range r.Scan(from, to, false) {
		if err != nil || len(out) == stepRows {
			return out, err
		}
		job, err := core.ParseJob(pair)
		if err != nil {
			return out, err
		}
		out = append(out, job)
	}
	return out, nil
}

func (j *jobs) step(ctx context.Context, job core.Job) error {
	if job.Plan != nil {
		return j.writer.accept(ctx, 0, func(b *batch) (core.Decision, error) {
			return core.ContinuePlan(b.State, b, b.now, job.Name)
		})
	}
	if job.Reseal != nil {
		return j.master.step(ctx)
	}
	if job.Erase != nil {
		return j.erase(ctx, job)
	}
	if job.Cancel == nil {
		return fmt.Errorf("of a kind that this program does not know: %w", ports.ErrDamaged)
	}
	calls, last, err := j.backlog(ctx, *job.Cancel)
	if err != nil {
		return err
	}
	return j.writer.accept(ctx, 0, func(b *batch) (core.Decision, error) {
		return core.CancelCalls(b.State, job.Name, calls, last)
	})
}

// backlog returns the next open calls of a cancel job; last says that there are no more.
func (j *jobs) backlog(ctx context.Context, job core.CancelJob) (calls []core.Due, last bool, err error) {
	last = true
	err = j.store.View(ctx, func(r ports.Reader) error {
		from, to := core.DueRange(job.Webhook)
		for pair, err := range r.Scan(from, to, false) {
			if err != nil {
				return err
			}
			d, err := core.ParseDue(pair.Key, pair.Value)
			if err != nil {
				return err
			}
			if d.Seq >= job.Before {
				continue // requested after the webhook was enabled again
			}
			if len(calls) == core.StepCalls {
				last = false
				return nil
			}
			calls = append(calls, d)
		}
		return nil
	})
	return calls, last, err
}

func (j *jobs) expireKeys(ctx context.Context) error {
	from, to := core.IdempotencyRange()
	for from != nil {
		var keys []core.UsedKey
		var err error
		if keys, from, err = j.expired(ctx, from, to); err != nil {
			return err
		}
		err = j.writer.accept(ctx, 0, func(b *batch) (core.Decision, error) {
			return core.ExpireKeys(b.State, b.now, keys)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// expired returns the next keys whose time is over, and where to go on; nil behind the last.
func (j *jobs) expired(ctx context.Context, from, to []byte) (keys []core.UsedKey, next []byte, err error) {
	now := j.clock.now()
	err = j.store.View(ctx, func(r ports.Reader) error {
		for pair, err := range r.Scan(from, to, false) {
			if err != nil {
				return err
			}
			if len(keys) == stepRows {
				next = slices.Clone(pair.Key)
				return nil
			}
			k, until, err := core.ParseKeyRow(pair)
			if err != nil {
				return err
			}
			if !until.After(now) {
				keys = append(keys, k)
			}
		}
		return nil
	})
	return keys, next, err
}
