package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"posthorn/engine"
)

// testMargin is what a test call may take beside the attempt itself: its turn in the lane, and the way to a dispatcher and back.
const testMargin = 10 * time.Second

// longestTest bounds the answer: the longest timeout of a webhook, the margin, and time to write.
const longestTest = time.Minute + testMargin + 5*time.Second

// A tested call is answered with 200 when it has ended, else with 202.
type tested struct {
	Status int
	Body   engine.CallDetail
}

func (s *server) addTestCall(api huma.API, path string) {
	op := s.op("test-webhook", http.MethodPost, path, "Make one call of one attempt, of type webhook.test, and wait for its end", http.StatusOK)
	call := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[engine.CallDetail](), true, "CallDetail")
	op.Responses = map[string]*huma.Response{"202": {
		Description: "The call has not ended yet; get it by its id",
		Content:     map[string]*huma.MediaType{"application/json": {Schema: call}},
	}}
	op.Middlewares = huma.Middlewares{mayTake(longestTest)}
	register(api, op, s.testWebhook)
}

// mayTake gives an answer more time than the server's own limit on writes.
func mayTake(longest time.Duration) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		_, w := humago.Unwrap(ctx)
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(longest)) // a writer without deadlines has no limit either
		next(ctx)
	}
}

func (s *server) testWebhook(ctx context.Context, in *one) (*tested, error) {
	w, err := s.engine.Webhook(ctx, in.Company, in.ID)
	if err != nil {
		return nil, problemOf(err, inBody)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(w.Timeout)+testMargin)
	defer cancel()
	detail, err := s.engine.TestWebhook(ctx, in.Company, in.ID)
	if err != nil {
		return nil, problemOf(err, inBody)
	}
	out := &tested{http.StatusOK, withAttempts(detail)}
	if detail.State.Open() {
		out.Status = http.StatusAccepted
	}
	return out, nil
}
