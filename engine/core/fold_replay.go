package core

import "time"

func (s *State) foldReplay(r Recorded) error {
	switch e := r.Event.(type) {
	case ReplayStarted:
		if err := set(s, OpenReplayKey(e.Company), func(row *openReplayRow) { *row = openReplayRow{Company: e.Company, Replay: e.Replay} }); err != nil {
			return err
		}
		*create[replayRow](s, ReplayKey(e.Company, e.Replay)) = replayRow{Replay: e.begun(r.At)}
	case ReplayAdvanced:
		return s.changeReplay(r.At, e.Company, e.Replay, func(row *replayRow) { row.Cursor, row.Counts = e.Cursor, row.Counts.Plus(e.Counts) })
	case ReplayPaused:
		return s.changeReplay(r.At, e.Company, e.Replay, func(row *replayRow) { row.State = ReplayIsPaused })
	case ReplayResumed:
		return s.changeReplay(r.At, e.Company, e.Replay, func(row *replayRow) { row.State = ReplayIsRunning })
	case ReplayEnded:
		s.remove(OpenReplayKey(e.Company))
		return s.changeReplay(r.At, e.Company, e.Replay, func(row *replayRow) {
			at := r.At
			row.State, row.EndedAt = ReplayIsDone, &at
			if e.Reason != "" {
				row.State = ReplayIsCancelled
			}
		})
	}
	return nil
}

func (s *State) changeReplay(at time.Time, company, id string, update func(*replayRow)) error {
	return set(s, ReplayKey(company, id), func(row *replayRow) {
		update(row)
		row.UpdatedAt = at
	})
}

// foldReplayed notes a call that comes after its message's own entry: where it can be found by its message, in its replay, and that the
// message is not unmatched any more.
func (s *State) foldReplayed(e CallRequested) error {
	if e.Again() {
		create[againRow](s, AgainKey(e.Company, e.Message, e.Call))
	}
	if e.Replay == "" {
		return nil
	}
	if err := s.drop(UnmatchedKey(e.Company, e.Message)); err != nil {
		return err
	}
	return s.countReplay(e.Company, e.Replay, func(p *ReplayProgress) { p.Waiting, p.Pending = p.Waiting+1, p.Pending+1 })
}

// replayTried counts the first attempt of a replay's call.
func (s *State) replayTried(row *callRow) error {
	if !row.State.Open() || len(row.Tries) > 0 {
		return nil
	}
	return s.countReplay(row.Company, row.Replay, func(p *ReplayProgress) { p.Waiting-- })
}

// replayEnded counts the end of a replay's call, before its row changes. One that had ended may have succeeded after all.
func (s *State) replayEnded(row *callRow, state CallState) error {
	return s.countReplay(row.Company, row.Replay, func(p *ReplayProgress) {
		if row.State.Open() && len(row.Tries) == 0 {
			p.Waiting--
		}
		*p.in(row.State)--
		*p.in(state)++
	})
}

// countReplay changes the progress of a replay that there still is; calls of none have no name for it.
func (s *State) countReplay(company, id string, count func(*ReplayProgress)) error {
	if id == "" {
		return nil
	}
	row, err := load[replayRow](s, ReplayKey(company, id))
	if err != nil || row == nil {
		return err
	}
	return set(s, ReplayKey(company, id), func(row *replayRow) { count(&row.Progress) })
}
