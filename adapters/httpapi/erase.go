package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// An eraser forgets what was told.
type eraser interface {
	EraseMessage(ctx context.Context, company, id string) error
	EraseCandidate(ctx context.Context, company, id string) error
}

func (s *server) addErasure(api huma.API) {
	const message, candidate = companyPath + "/messages/{id}/payload", companyPath + "/candidates/{id}/payload"
	register(api, s.op("erase-message", http.MethodDelete, message, "Erase its data and what was answered, and cancel its waiting calls", http.StatusNoContent),
		func(ctx context.Context, in *one) (*empty, error) {
			return replyEmpty(s.engine.EraseMessage(ctx, in.Company, in.ID))
		})
	register(api, s.op("erase-candidate", http.MethodDelete, candidate, "Erase all versions of its profile and what was told of it; it ends as deleted",
		http.StatusNoContent),
		func(ctx context.Context, in *one) (*empty, error) {
			return replyEmpty(s.engine.EraseCandidate(ctx, in.Company, in.ID))
		})
}
