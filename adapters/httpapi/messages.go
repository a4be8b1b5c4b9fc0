package httpapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"posthorn/engine"
)

type newMessage struct {
	EventType string          `doc:"Words joined by dots, such as invoice.paid"         json:"eventType"`
	Data      json.RawMessage `doc:"Any JSON value, sent as it is but for white space"  json:"data,omitempty"`
	Resource  *resource       `doc:"What it is about; the version in force goes along"  json:"resource,omitempty"`
}

type resource struct {
	Type string `doc:"Such as candidate" json:"type"`
	ID   string `json:"id"`
}

func (s *server) addMessages(api huma.API) {
	op := s.op("publish-message", http.MethodPost, companyPath+"/messages", "Tell the webhooks that asked", http.StatusAccepted)
	register(api, op, func(ctx context.Context, in *creation[newMessage]) (*content[engine.Message], error) {
		n := engine.NewMessage{
			Company: in.Company, EventType: in.Body.EventType, Data: in.Body.Data, IdempotencyKey: in.IdempotencyKey,
		}
		if in.Body.Resource != nil {
			n.ResourceType, n.ResourceID = in.Body.Resource.Type, in.Body.Resource.ID
		}
		return reply(s.engine.Publish(ctx, n))
	})
}
