package httpapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"posthorn/engine"
)

type application struct {
	Job string `doc:"The job applied for" json:"job"`
}

type candidateState struct {
	State string `doc:"The state from now on" json:"state"`
}

// newProfile and profileChange are objects whose further fields are kept whole, digits of numbers included.
type (
	newProfile    map[string]json.RawMessage
	profileChange map[string]json.RawMessage
)

// Schema is asked by huma.
func (newProfile) Schema(huma.Registry) *huma.Schema {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	return precomputed(&huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: true, Required: []string{"email", "firstName", "lastName"},
		Description: "The profile; any further field is kept as it is",
		Properties: map[string]*huma.Schema{
			"email": text("An address such as ada@example.com"), "firstName": text("1 to 256 bytes"), "lastName": text("1 to 256 bytes"),
		},
	})
}

// Schema is asked by huma.
func (profileChange) Schema(huma.Registry) *huma.Schema {
	return precomputed(&huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: true,
		Description: "Fields to set; null removes one (RFC 7396, at the top level)",
	})
}

func precomputed(s *huma.Schema) *huma.Schema {
	s.PrecomputeMessages()
	return s
}

func (s *server) addCandidates(api huma.API) {
	const all, each = companyPath + "/candidates", companyPath + "/candidates/{id}"
	register(api, s.op("create-candidate", http.MethodPost, all, "Create a candidate and tell of it", http.StatusCreated),
		func(ctx context.Context, in *creation[newProfile]) (*content[engine.Candidate], error) {
			n := candidateOf(in.Company, in.Body)
			n.IdempotencyKey = in.IdempotencyKey
			return reply(s.engine.CreateCandidate(ctx, n))
		})
	register(api, s.op("list-candidates", http.MethodGet, all, "List candidates, oldest first", http.StatusOK),
		func(ctx context.Context, in *paged) (*content[list[engine.Candidate]], error) {
			return replyPage(s.engine.Candidates(ctx, in.query()))
		})
	register(api, s.op("get-candidate", http.MethodGet, each, "Get a candidate", http.StatusOK),
		func(ctx context.Context, in *one) (*content[engine.Candidate], error) {
			return reply(s.engine.Candidate(ctx, in.Company, in.ID))
		})
	register(api, s.op("update-candidate", http.MethodPatch, each, "Change profile fields and tell of it", http.StatusOK),
		func(ctx context.Context, in *onOne[profileChange]) (*content[engine.Candidate], error) {
			fields := make(map[string]any, len(in.Body))
			for name, raw := range in.Body {
				fields[name] = raw
			}
			return reply(s.engine.UpdateCandidate(ctx, in.Company, in.ID, fields))
		})
	register(api, s.op("apply-candidate", http.MethodPost, each+"/apply", "Apply for a job and tell of it", http.StatusOK),
		func(ctx context.Context, in *onOne[application]) (*content[engine.Candidate], error) {
			return reply(s.engine.ApplyForJob(ctx, in.Company, in.ID, in.Body.Job))
		})
	register(api, s.op("change-candidate-state", http.MethodPost, each+"/state", "Change its state and tell of it", http.StatusOK),
		func(ctx context.Context, in *onOne[candidateState]) (*content[engine.Candidate], error) {
			return reply(s.engine.ChangeCandidateState(ctx, in.Company, in.ID, in.Body.State))
		})
	register(api, s.op("delete-candidate", http.MethodDelete, each, "Delete it and tell of it", http.StatusNoContent),
		func(ctx context.Context, in *one) (*empty, error) {
			return replyEmpty(s.engine.DeleteCandidate(ctx, in.Company, in.ID))
		})
}
