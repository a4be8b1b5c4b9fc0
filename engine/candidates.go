package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"posthorn/engine/core"
	"posthorn/ports"
)

// CreateCandidate stores a candidate and plans the calls that tell of it, in one commit. It returns an InvalidError, ErrOverloaded or
// ErrDiskLow with nothing stored.
func (e *Engine) CreateCandidate(ctx context.Context, n NewCandidate) (Candidate, error) {
	return e.createCandidate(ctx, routeCandidates, n)
}

func (e *Engine) createCandidate(ctx context.Context, route string, n NewCandidate) (Candidate, error) {
	profile, err := n.Check()
	if err != nil {
		return Candidate{}, err
	}
	var out, kept Candidate
	use := keyUse{company: n.Company, route: route, key: n.IdempotencyKey, content: n}
	err = e.judged(ctx, func(v core.Verdicts) error {
		return e.once(ctx, use, profile.Size()+512, &kept, func(b *batch) (core.Decision, error) {
			routing, err := b.routing(n.Company, v)
			if err != nil {
				return core.Decision{}, err
			}
			var d core.Decision
			d, out, _, err = core.CreateCandidate(b, b.now, profile, routing)
			kept = out
			kept.Profile = nil // an answer in the log holds no profile
			return d, err
		})
	})
	if err == nil && out.ID == "" {
		return e.version(ctx, kept)
	}
	return handOut(&out, err, "create candidate for", n.Company)
}

// version reads the profile of an earlier answer's candidate, as it was then.
func (e *Engine) version(ctx context.Context, c Candidate) (Candidate, error) {
	err := e.store.View(ctx, func(r ports.Reader) error {
		ref := core.ResourceRef{Type: core.CandidateType, ID: c.ID, Version: c.Version}
		body, err := optional(readVault(r, core.ResourceKey(ref), ""))
		c.Profile = slices.Clone(body)
		return err
	})
	return c, wrap(err, "read candidate", c.ID)
}

// UpdateCandidate merges fields into a candidate's profile, as RFC 7396 does at the top level: nil removes a field. It tells
// candidate.updated. It returns ErrNotFound or an InvalidError.
func (e *Engine) UpdateCandidate(ctx context.Context, company, id string, fields map[string]any) (Candidate, error) {
	edit, err := core.UpdateCandidate(company, id, fields)
	if err != nil {
		return Candidate{}, err
	}
	return e.edit(ctx, edit)
}

// ApplyForJob adds an application to a candidate and tells candidate.applied, with the job in the message's data.
func (e *Engine) ApplyForJob(ctx context.Context, company, id, job string) (Candidate, error) {
	edit, err := core.ApplyForJob(company, id, job)
	if err != nil {
		return Candidate{}, err
	}
	return e.edit(ctx, edit)
}

// ChangeCandidateState sets a candidate's state and tells candidate.state_changed, with the old and the new one in the message's data.
// It returns ErrConflict when the candidate is in that state.
func (e *Engine) ChangeCandidateState(ctx context.Context, company, id, state string) (Candidate, error) {
	edit, err := core.ChangeCandidateState(company, id, state)
	if err != nil {
		return Candidate{}, err
	}
	return e.edit(ctx, edit)
}

// DeleteCandidate ends a candidate and tells candidate.deleted. Calls that wait still tell what they were to tell.
func (e *Engine) DeleteCandidate(ctx context.Context, company, id string) error {
	_, err := e.edit(ctx, core.DeleteCandidate(company, id))
	return err
}

func (e *Engine) edit(ctx context.Context, edit core.CandidateEdit) (Candidate, error) {
	var out Candidate
	err := e.judged(ctx, func(v core.Verdicts) error { return e.editBy(ctx, edit, v, &out) })
	return handOut(&out, err, "change candidate", edit.ID())
}

func (e *Engine) editBy(ctx context.Context, edit core.CandidateEdit, v core.Verdicts, out *Candidate) error {
	return e.writer.accept(ctx, 4096, func(b *batch) (core.Decision, error) {
		current, err := core.CurrentCandidate(b.State, edit.Company(), edit.ID())
		if err != nil {
			return core.Decision{}, err
		}
		body, err := b.vaulted(core.ResourceKey(current.ResourceRef), current.Digest)
		if err != nil {
			return core.Decision{}, err
		}
		routing, err := b.routing(edit.Company(), v)
		if err != nil {
			return core.Decision{}, err
		}
		var d core.Decision
		d, *out, _, err = edit.Decide(b.State, b, b.now, body, routing)
		return d, err
	})
}

// Candidate returns a candidate with its profile, or ErrNotFound.
func (e *Engine) Candidate(ctx context.Context, company, id string) (Candidate, error) {
	var out Candidate
	err := e.store.View(ctx, func(r ports.Reader) error {
		k := core.ResourceRowKey(company, core.CandidateType, id)
		value, err := r.Get(k)
		if err != nil {
			return err
		}
		var ok bool
		out, ok, err = readCandidate(r, ports.Pair{Key: k, Value: value})
		if err == nil && !ok {
			err = ports.ErrNotFound
		}
		return err
	})
	return out, named(err, "candidate", id)
}

// Candidates returns a page of a company's candidates, oldest first.
func (e *Engine) Candidates(ctx context.Context, q ListQuery) (Page[Candidate], error) {
	from, to := core.ResourceRowRange(q.Company, core.CandidateType)
	scan := pageScan{from: from, to: to, limit: q.Limit, cursor: q.Cursor}
	return page(ctx, e.store, scan, readCandidate)
}

func readCandidate(r ports.Reader, pair ports.Pair) (Candidate, bool, error) {
	v, createdAt, updatedAt, ok, err := core.ParseResource(pair)
	if err != nil || !ok {
		return Candidate{}, false, err
	}
	body, err := optional(readVault(r, core.ResourceKey(v.ResourceRef), v.Digest))
	if err != nil {
		return Candidate{}, false, fmt.Errorf("read profile of candidate %s: %w", v.ID, err)
	}
	return Candidate{
		ID: v.ID, Company: v.Company, Version: v.Version, Profile: json.RawMessage(slices.Clone(body)), CreatedAt: createdAt, UpdatedAt: updatedAt,
	}, true, nil
}
