package httpapi

import (
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"
)

// addDocs serves the description, and a page for people. The page's parts are in the binary, and all its addresses are relative, so
// that it works without internet and under any prefix.
func (s *server) addDocs(mux *http.ServeMux, description *huma.OpenAPI) {
	text, err := json.Marshal(description)
	if err != nil {
		panic(err) // the description is made of our own types
	}
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, text) })
	page := v5emb.NewHandlerWithConfig(swgui.Config{
		Title: "Posthorn", SwaggerJSON: "../openapi.json", BasePath: ".", InternalBasePath: "/docs",
	})
	mux.Handle("GET /docs/", page)
	mux.HandleFunc("GET /docs", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "docs/") // relative: the prefix is not known here
		w.WriteHeader(http.StatusMovedPermanently)
	})
}

// describeSeed adds the routes that huma does not serve.
func describeSeed(d *huma.OpenAPI) {
	object := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
	in := &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: object}}}
	out := func(description string) *huma.Response {
		return &huma.Response{Description: description, Content: map[string]*huma.MediaType{"application/json": {Schema: object}}}
	}
	d.AddOperation(&huma.Operation{
		OperationID: "seed-create-webhook", Method: http.MethodPost, Path: "/webhooks", Tags: []string{"replaced system"},
		Summary: "Register the one webhook of a company and event type: companyId, url, eventType", RequestBody: in,
		Responses: map[string]*huma.Response{
			"200": out("Created, with the signing token"), "409": out("The pair is taken"), "422": out("A field is missing or invalid"),
		},
	})
	d.AddOperation(&huma.Operation{
		OperationID: "seed-create-candidate", Method: http.MethodPost, Path: "/candidates", Tags: []string{"replaced system"},
		Summary: "Create a candidate: companyId, email, firstName, lastName, and any further field", RequestBody: in,
		Responses: map[string]*huma.Response{"200": out("Created, with its id"), "422": out("A field is missing or invalid")},
	})
	d.AddOperation(&huma.Operation{
		OperationID: "seed-history", Method: http.MethodGet, Path: "/webhook_history/{companyId}", Tags: []string{"replaced system"},
		Summary: "The calls of a company, newest first: 250, or limit and cursor",
		Parameters: []*huma.Param{
			{Name: "companyId", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}},
			{Name: "limit", In: "query", Schema: &huma.Schema{Type: huma.TypeInteger}},
			{Name: "cursor", In: "query", Schema: &huma.Schema{Type: huma.TypeString}},
		},
		Responses: map[string]*huma.Response{"200": out("The calls")},
	})
}
