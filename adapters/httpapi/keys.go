package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"posthorn/engine"
)

type newKey struct {
	Name  string  `doc:"Free text"                                          json:"name,omitempty"`
	Scope string  `doc:"admin, read, or company:ID for one company"         json:"scope"`
	Rate  float64 `doc:"The most requests a second, 0.01 or more; 0 for no limit" json:"rate,omitempty" maximum:"10000" minimum:"0"`
}

type keysQuery struct {
	Limit  int    `default:"50" doc:"How many at the most" maximum:"250" minimum:"1" query:"limit"`
	Cursor string `doc:"nextCursor of the page before" query:"cursor"`
}

func (s *server) addKeys(api huma.API) {
	const all, each = "/v1/keys", "/v1/keys/{id}"
	register(api, s.op("create-key", http.MethodPost, all, "Make an API key; its token is shown this once", http.StatusCreated),
		func(ctx context.Context, in *struct{ Body newKey }) (*content[engine.NewToken], error) {
			return reply(s.engine.CreateKey(ctx, engine.NewAPIKey{Name: in.Body.Name, Scope: engine.Scope(in.Body.Scope), Rate: in.Body.Rate}))
		})
	register(api, s.op("list-keys", http.MethodGet, all, "List API keys, oldest first, revoked ones too", http.StatusOK),
		func(ctx context.Context, in *keysQuery) (*content[list[engine.APIKey]], error) {
			return replyPage(s.engine.Keys(ctx, engine.KeyQuery{Limit: in.Limit, Cursor: in.Cursor}))
		})
	register(api, s.op("revoke-key", http.MethodPost, each+"/revoke", "Refuse the key from now on", http.StatusOK),
		func(ctx context.Context, in *struct {
			ID string `path:"id"`
		},
		) (*content[engine.APIKey], error) {
			return reply(s.engine.RevokeKey(ctx, in.ID))
		})
}
