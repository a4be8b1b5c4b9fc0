package httpclient

import (
	"context"
	"maps"
	"net/http"

	"posthorn/engine"
)

// CreateCandidate is Engine.CreateCandidate.
func (c *Client) CreateCandidate(ctx context.Context, n engine.NewCandidate) (engine.Candidate, error) {
	in := make(map[string]any, len(n.Fields)+3)
	maps.Copy(in, n.Fields)
	in["email"], in["firstName"], in["lastName"] = n.Email, n.FirstName, n.LastName
	return ask[engine.Candidate](ctx, c, request{method: http.MethodPost, in: in, key: n.IdempotencyKey}, n.Company, "candidates")
}

// Candidate is Engine.Candidate.
func (c *Client) Candidate(ctx context.Context, company, id string) (engine.Candidate, error) {
	return ask[engine.Candidate](ctx, c, request{method: http.MethodGet}, company, "candidates", id)
}

// Candidates is Engine.Candidates.
func (c *Client) Candidates(ctx context.Context, q engine.ListQuery) (engine.Page[engine.Candidate], error) {
	return list[engine.Candidate](ctx, c, paging(q.Limit, q.Cursor), q.Company, "candidates")
}

// UpdateCandidate is Engine.UpdateCandidate.
func (c *Client) UpdateCandidate(ctx context.Context, company, id string, fields map[string]any) (engine.Candidate, error) {
	if fields == nil {
		fields = map[string]any{}
	}
	return ask[engine.Candidate](ctx, c, request{method: http.MethodPatch, in: fields}, company, "candidates", id)
}

// ApplyForJob is Engine.ApplyForJob.
func (c *Client) ApplyForJob(ctx context.Context, company, id, job string) (engine.Candidate, error) {
	r := request{method: http.MethodPost, in: map[string]string{"job": job}}
	return ask[engine.Candidate](ctx, c, r, company, "candidates", id, "apply")
}

// ChangeCandidateState is Engine.ChangeCandidateState.
func (c *Client) ChangeCandidateState(ctx context.Context, company, id, state string) (engine.Candidate, error) {
	r := request{method: http.MethodPost, in: map[string]string{"state": state}}
	return ask[engine.Candidate](ctx, c, r, company, "candidates", id, "state")
}

// DeleteCandidate is Engine.DeleteCandidate.
func (c *Client) DeleteCandidate(ctx context.Context, company, id string) error {
	return c.tell(ctx, request{method: http.MethodDelete}, company, "candidates", id)
}
