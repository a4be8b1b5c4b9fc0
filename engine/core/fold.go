package core

import (
	"errors"
	"fmt"
	"time"

	"posthorn/ports"
)

// Fold applies one event to the rows. It never decides: what it does follows from the event and the rows alone, so that the whole
// log folds again to the same rows. An error means that the log and the rows do not belong together.
func (s *State) Fold(r Recorded) error {
	if err := s.fold(r); err != nil {
		return fmt.Errorf("fold event %d: %w", r.Seq, err)
	}
	return nil
}

func (s *State) fold(r Recorded) error {
	switch e := r.Event.(type) {
	case EngineStarted:
		return set(s, EngineKey(), func(row *engineRow) { row.Engine, row.Epoch = e.Engine, e.Epoch })
	case WebhookRegistered, WebhookUpdated, WebhookEnabled, WebhookDisabled, WebhookDeleted,
		WebhookHeadersSet, WebhookSecretRotated, WebhookPaused, WebhookResumed, BreakerOpened, BreakerClosed:
		return s.foldWebhook(r)
	case versioned:
		return s.foldResource(r.At, e)
	case MessagePublished:
		return nil
	case MessageUnmatched:
		s.foldUnmatched(r.At, e)
		return nil
	case CallsPlanned:
		return s.foldPlan(r.Seq, r.At, e)
	case CallRequested:
		if err := s.foldRequested(r.Seq, r.At, e); err != nil {
			return err
		}
		return s.foldReplayed(e)
	case CallAttempted:
		return s.foldAttempted(r.Seq, r.At, e)
	case CallSucceeded:
		return s.foldEnded(r, e.CallEnded, Succeeded)
	case CallFailed:
		return s.foldEnded(r, e.CallEnded, Failed)
	case CallSkipped:
		return s.foldEnded(r, e.CallEnded, Skipped)
	case CallCancelled:
		return s.foldEnded(r, e.CallEnded, Cancelled)
	case JobEnded:
		return s.drop(JobKey(e.Job)) // what began it may have been pruned
	case KeyUsed:
		return set(s, IdempotencyKey(e.Company, e.Route, e.Key), func(row *keyRow) {
			*row = keyRow{
				UsedKey: UsedKey{Company: e.Company, Route: e.Route, Key: e.Key}, Seqs: append(row.Seqs, r.Seq),
				Fingerprint: e.Fingerprint, Answer: e.Answer, At: StampOf(r.At),
			}
		})
	case KeysExpired:
		for _, k := range e.Keys {
			if err := s.drop(IdempotencyKey(k.Company, k.Route, k.Key)); err != nil {
				return err
			}
		}
		return nil
	case PayloadErased:
		return s.foldErased(r, e)
	case StreamsPruned, LogPruned, HealthNoted:
		return s.foldRetention(r)
	case KeyCreated:
		return s.foldKeyCreated(r.At, e)
	case KeyRevoked:
		return s.foldKeyRevoked(r.At, e)
	case MasterKeyRotated, WebhookResealed:
		return s.foldReseal(r)
	case ReplayStarted, ReplayAdvanced, ReplayPaused, ReplayResumed, ReplayEnded:
		return s.foldReplay(r)
	}
	return fmt.Errorf("no rule for %T: %w", r.Event, errors.ErrUnsupported)
}

func set[T any](s *State, k []byte, update func(*T)) error {
	row, err := change[T](s, k)
	if err == nil {
		update(row)
	}
	return err
}

func (s *State) foldRequested(seq uint64, at time.Time, e CallRequested) error {
	row := create[callRow](s, CallKey(e.Company, e.Call))
	*row = callRow{HasData: e.HasData, Once: e.Once, Seqs: []uint64{seq}, Call: Call{
		ID: e.Call, Company: e.Company, Webhook: e.Webhook, Message: e.Message, EventType: e.EventType, Resource: e.Resource,
		URL: e.URL, State: Pending, NextAt: &at, CreatedAt: e.CreatedAt.Time(), UpdatedAt: at,
		RetryOf: e.RetryOf, Replay: e.Replay, ExpiresAt: e.ExpiresAt.Pointer(),
	}}
	if e.Ordered {
		row.Place = StampOf(at)
	}
	s.queue(row)
	if e.RetryOf != "" {
		return s.drop(UndeliveredKey(e.Company, e.RetryOf))
	}
	return nil
}

// queue notes an open call in its webhook's queue, and when it ends by age.
func (s *State) queue(row *callRow) {
	s.mark(row.due())
	if row.ExpiresAt != nil {
		s.mark(row.expiry())
	}
}

// unqueue takes it out again.
func (s *State) unqueue(row *callRow) {
	s.unmark(row.due())
	if row.ExpiresAt != nil {
		s.unmark(row.expiry())
	}
}

func (s *State) foldAttempted(seq uint64, at time.Time, e CallAttempted) error {
	row, err := s.changeCall(seq, at, e.Company, e.Call)
	if err != nil {
		return err
	}
	if err := s.replayTried(row); err != nil {
		return err
	}
	row.Tries = append(row.Tries, try{Attempt: e.Attempt, Lease: e.Lease, Epoch: e.Epoch})
	if e.Failing != nil || e.Recovered {
		noted := HealthNoted{Webhook: row.Webhook, Company: row.Company, Failing: e.Failing, Recovered: e.Recovered}
		if err := s.foldHealth(Recorded{Seq: seq, At: at}, noted); err != nil {
			return err
		}
	}
	if e.Attempt <= row.AttemptCount && e.Class != ports.ClassOK {
		return nil // a late repetition of an attempt that has decided already
	}
	row.AttemptCount = max(row.AttemptCount, e.Attempt)
	row.LastStatus, row.LastClass, row.LastError = e.Status, e.Class, e.Error
	if e.NextAt != 0 && row.State.Open() {
		s.unmark(row.due())
		row.NextAt = e.NextAt.Pointer()
		s.mark(row.due())
	}
	return nil
}

func (s *State) foldEnded(r Recorded, e CallEnded, state CallState) error {
	row, err := s.changeCall(r.Seq, r.At, e.Company, e.Call)
	if err != nil {
		return err
	}
	if row.State.Open() {
		s.unqueue(row)
	}
	if err := s.foldUndelivered(row.Company, row.ID, row.State, state); err != nil {
		return err
	}
	if err := s.replayEnded(row, state); err != nil {
		return err
	}
	at := r.At
	row.State, row.Reason, row.NextAt, row.EndedAt = state, e.Reason, nil, &at
	return nil
}

func (s *State) changeCall(seq uint64, at time.Time, company, id string) (*callRow, error) {
	row, err := change[callRow](s, CallKey(company, id))
	if err != nil {
		return nil, err
	}
	if row.ID == "" {
		return nil, fmt.Errorf("call %s has events but was never requested: %w", Show(id), ports.ErrDamaged)
	}
	row.Seqs = append(row.Seqs, seq)
	row.UpdatedAt = at
	return row, nil
}
