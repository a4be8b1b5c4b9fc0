package engine

import (
	"context"
	"slices"

	"posthorn/engine/core"
	"posthorn/ports"
)

// EraseMessage forgets a message's data, and what its receivers have answered; calls that are open are cancelled with the reason payload
// erased. When it returns, the data is gone from the store; answers follow at once, over a crash if need be. Repeated, it does nothing. It
// returns ErrNotFound, or ErrConflict for a message that has no data of its own.
//
// On the disk the bytes go with the store's compactions, for certain with posthorn store compact. What brokers, receivers, consumers of
// events and backups have, it cannot reach.
func (e *Engine) EraseMessage(ctx context.Context, company, id string) error {
	m, err := e.messageOf(ctx, company, id)
	if err != nil {
		return named(err, "message", id)
	}
	err = e.writer.accept(ctx, 512, func(b *batch) (core.Decision, error) { return core.EraseMessage(b.State, m) })
	return wrap(err, "erase message", id)
}

// EraseCandidate forgets all that is known of a candidate: every version of the profile, the data of the messages that told of it, and what
// receivers have answered. It ends as deleted, and nobody is told. All else is as with EraseMessage.
func (e *Engine) EraseCandidate(ctx context.Context, company, id string) error {
	err := e.writer.accept(ctx, 512, func(b *batch) (core.Decision, error) {
		return core.EraseResource(b.State, company, core.CandidateType, id)
	})
	return wrap(err, "erase candidate", id)
}

// messageOf finds a message by its id, which carries the time of its entry.
func (e *Engine) messageOf(ctx context.Context, company, id string) (m core.MessageRef, err error) {
	err = e.store.View(ctx, func(r ports.Reader) error {
		for recorded, err := range entriesOf(r, e.writer.codec, core.PrefixMessage, id) {
			if err != nil {
				return err
			}
			for _, rec := range recorded {
				if p, ok := rec.Event.(core.MessagePublished); ok && p.Message == id && p.Company == company {
					m = p.MessageRef
					m.HasData = p.DataDigest != ""
					return nil
				}
			}
		}
		return ports.ErrNotFound
	})
	return m, err
}

// An eraser is where the erase jobs of this run stand. A crash begins them anew, which erases nothing twice.
type eraser struct{ at map[string]*eraseCursor }

// eraseCursor is the next row to look at, and how many versions are erased.
type eraseCursor struct {
	versions int
	part     int // of EraseJob.Rows
	from     []byte
}

// erasable are calls and messages that tell of what is erased.
type erasable struct {
	calls, messages []string
	next            eraseCursor
	last            bool
}

// erase does one step of an erase job: older versions first, then calls and messages, a bounded number.
func (j *jobs) erase(ctx context.Context, job core.Job) error {
	at := j.eraser.at[job.Name]
	if at == nil {
		at = &eraseCursor{versions: core.StepVersions} // the newest went with the command
	}
	if ref := job.Erase.Resource; ref != nil && at.versions < ref.Version {
		if err := j.forget(ctx, core.VersionKeys(*ref, at.versions)); err != nil {
			return err
		}
		j.eraser.moved(job.Name, eraseCursor{versions: at.versions + core.StepVersions})
		return nil
	}
	found, err := j.erasable(ctx, *job.Erase, *at)
	if err != nil {
		return err
	}
	err = j.writer.accept(ctx, 0, func(b *batch) (core.Decision, error) {
		return core.EraseCalls(b.State, job.Name, found.calls, found.messages, found.last)
	})
	switch {
	case err != nil:
		return err
	case found.last:
		delete(j.eraser.at, job.Name)
	default:
		j.eraser.moved(job.Name, found.next)
	}
	return nil
}

func (e *eraser) moved(job string, to eraseCursor) {
	if e.at == nil {
		e.at = map[string]*eraseCursor{}
	}
	e.at[job] = &to
}

func (j *jobs) forget(ctx context.Context, keys [][]byte) error {
	return j.writer.accept(ctx, 0, func(*batch) (core.Decision, error) { return core.Decision{Forget: keys}, nil })
}

// erasable looks at the next rows.
func (j *jobs) erasable(ctx context.Context, job core.EraseJob, at eraseCursor) (found erasable, err error) {
	parts, looked := job.Rows(), 0
	err = j.store.View(ctx, func(r ports.Reader) error {
		for ; at.part < len(parts); at.part, at.from = at.part+1, nil {
			from := parts[at.part][0]
			if at.from != nil {
				from = at.from
			}
			for pair, err := range r.Scan(from, parts[at.part][1], false) {
				if err != nil {
					return err
				}
				if looked == maxLooked || len(found.calls)+len(found.messages) >= core.StepCalls {
					found.next = eraseCursor{versions: at.versions, part: at.part, from: slices.Clone(pair.Key)}
					return nil
				}
				looked++
				if err := found.look(job, pair); err != nil {
					return err
				}
			}
		}
		found.last = true
		return nil
	})
	return found, err
}

func (f *erasable) look(job core.EraseJob, pair ports.Pair) error {
	call, message, ok, err := job.ParseAbout(pair)
	if err != nil || !ok {
		return err
	}
	if call != "" {
		f.calls = append(f.calls, call)
	}
	if job.Resource != nil && !slices.Contains(f.messages, message) {
		f.messages = append(f.messages, message)
	}
	return nil
}
