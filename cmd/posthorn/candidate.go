package main

import (
	"context"
	"encoding/json"

	"posthorn/adapters/httpclient"
	"posthorn/engine"
)

type candidateCmd struct {
	Create candidateCreateCmd `cmd:"" help:"Create a candidate and tell of it."`
	List   candidateListCmd   `cmd:"" help:"List candidates, oldest first."`
	Get    candidateGetCmd    `cmd:"" help:"Show a candidate."`
	Update candidateUpdateCmd `cmd:"" help:"Change profile fields and tell of it."`
	Apply  candidateApplyCmd  `cmd:"" help:"Apply for a job and tell of it."`
	State  candidateStateCmd  `cmd:"" help:"Change its state and tell of it."`
	Delete candidateDeleteCmd `cmd:"" help:"Delete it and tell of it."`
	Erase  candidateEraseCmd  `cmd:"" help:"Erase all that is known of it, and tell nobody."`
}

type candidateCreateCmd struct {
	companyFlags

	Email          string `help:"An address such as ada@example.com." required:""`
	FirstName      string `help:"First name." required:""`
	LastName       string `help:"Last name." required:""`
	Data           string `help:"JSON object of further profile fields: itself, @file, or - for stdin." placeholder:"JSON"`
	IdempotencyKey string `help:"Makes the command safe to repeat for 24 hours." placeholder:"KEY"`
}

// Run creates a candidate.
func (c *candidateCreateCmd) Run(p *program) error {
	fields, err := p.fields(c.Data)
	if err != nil {
		return err
	}
	n := engine.NewCandidate{
		Company: c.Company, Email: c.Email, FirstName: c.FirstName, LastName: c.LastName, Fields: fields,
		IdempotencyKey: c.IdempotencyKey,
	}
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Candidate, error) {
		return client.CreateCandidate(ctx, n)
	}, showCandidate)
}

// fields reads a JSON object whose values are kept as they are written.
func (p *program) fields(value string) (map[string]any, error) {
	if value == "" {
		return nil, nil //nolint:nilnil // no further fields
	}
	raw, err := p.text(value)
	if err != nil {
		return nil, err
	}
	var kept map[string]json.RawMessage
	if err := json.Unmarshal(raw, &kept); err != nil {
		return nil, refuse("data is refused: it is not a JSON object (%w); correct it", err)
	}
	fields := make(map[string]any, len(kept))
	for name, field := range kept {
		fields[name] = field
	}
	return fields, nil
}

type candidateListCmd struct {
	companyFlags
	pageFlags
}

// Run lists candidates.
func (c *candidateListCmd) Run(p *program) error {
	return askPage(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Page[engine.Candidate], error) {
		return client.Candidates(ctx, c.list(c.pageFlags))
	}, func(t table, all []engine.Candidate) {
		t.row("ID", "VERSION", "NAME", "EMAIL", "UPDATED")
		for _, one := range all {
			var who struct {
				Email     string `json:"email"`
				FirstName string `json:"firstName"`
				LastName  string `json:"lastName"`
			}
			_ = json.Unmarshal(one.Profile, &who) // a profile that is not one shows as empty
			t.row(one.ID, one.Version, who.FirstName+" "+who.LastName, who.Email, one.UpdatedAt)
		}
	})
}

// candidateID names one candidate.
type candidateID struct {
	companyFlags

	ID string `arg:"" help:"The candidate's id."`
}

type candidateGetCmd struct{ candidateID }

// Run shows a candidate.
func (c *candidateGetCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Candidate, error) {
		return client.Candidate(ctx, c.Company, c.ID)
	}, showCandidate)
}

type candidateUpdateCmd struct {
	candidateID

	Data string `help:"JSON object of fields to set, null removes one: itself, @file, or - for stdin." placeholder:"JSON" required:""`
}

// Run changes a candidate.
func (c *candidateUpdateCmd) Run(p *program) error {
	fields, err := p.fields(c.Data)
	if err != nil {
		return err
	}
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Candidate, error) {
		return client.UpdateCandidate(ctx, c.Company, c.ID, fields)
	}, showCandidate)
}

type candidateApplyCmd struct {
	candidateID

	Job string `arg:"" help:"The job applied for."`
}

// Run applies for a job.
func (c *candidateApplyCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Candidate, error) {
		return client.ApplyForJob(ctx, c.Company, c.ID, c.Job)
	}, showCandidate)
}

type candidateStateCmd struct {
	candidateID

	State string `arg:"" help:"The state from now on."`
}

// Run changes a candidate's state.
func (c *candidateStateCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (engine.Candidate, error) {
		return client.ChangeCandidateState(ctx, c.Company, c.ID, c.State)
	}, showCandidate)
}

type candidateDeleteCmd struct{ candidateID }

// Run deletes a candidate.
func (c *candidateDeleteCmd) Run(p *program) error {
	return ask(p, c.clientFlags, func(ctx context.Context, client *httpclient.Client) (done, error) {
		return done{"deleted", c.ID}, client.DeleteCandidate(ctx, c.Company, c.ID)
	}, func(t table, d done) { d.show(t) })
}

func showCandidate(t table, c engine.Candidate) {
	t.field("id", c.ID)
	t.field("company", c.Company)
	t.field("version", c.Version)
	t.field("profile", string(c.Profile))
	t.field("created", c.CreatedAt)
	t.field("updated", c.UpdatedAt)
}
