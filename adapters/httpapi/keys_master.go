package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"posthorn/engine"
)

func (s *server) addMasterKey(api huma.API) {
	const path = "/v1/keys/master"
	register(api, s.op("get-master-key", http.MethodGet, path, "Tell where the master keys stand that secrets are sealed under", http.StatusOK),
		func(ctx context.Context, _ *struct{}) (*content[engine.MasterKey], error) {
			return reply(s.engine.MasterKey(ctx))
		})
	register(api, s.op("rotate-master-key", http.MethodPost, path+"/rotate", "Draw a new master key and begin to seal all secrets under it", http.StatusOK),
		func(ctx context.Context, _ *struct{}) (*content[engine.MasterKey], error) {
			return reply(s.engine.RotateMaster(ctx))
		})
}
