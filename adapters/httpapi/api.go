package httpapi

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"posthorn/engine"
)

// addV1 puts /v1 on the mux and returns its description. huma reads parameters, checks bodies against the Go types and writes the
// description from the same types; bodies have been read and checked for JSON before it sees them.
func (s *server) addV1(mux ruledMux) *huma.OpenAPI {
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshalLoosely}
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Posthorn", Version: s.options.Version,
				Description: "Stores events, and calls the webhooks that asked to hear of them until each call has ended.",
			},
			Servers: []*huma.Server{{URL: "."}}, // relative to /openapi.json: right under any prefix
			Components: &huma.Components{
				Schemas:         huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{"key": {Type: "http", Scheme: "bearer"}},
			},
			Security: []map[string][]string{{"key": {}}},
		},
		Formats:       map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat: "application/json",
		// A misspelt filter that is left out of account answers another question than was asked.
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{s.inOurWords},
	}
	api := humago.New(checkedMux{mux, s}, config)
	s.addWebhooks(api)
	s.addCandidates(api)
	s.addMessages(api)
	s.addErasure(api)
	s.addCalls(api)
	s.addUndelivered(api)
	s.addPast(api)
	s.addReplays(api)
	s.addEvents(api)
	s.addKeys(api)
	s.addMasterKey(api)
	s.addBackups(api)
	describeSeed(api.OpenAPI())
	for _, unused := range []string{"ErrorModel", "ErrorDetail"} { // huma's own, which inOurWords replaces
		delete(api.OpenAPI().Components.Schemas.Map(), unused)
	}
	return api.OpenAPI()
}

// A checkedMux reads and checks the body of a command before huma does: once, with our limit and our words.
type checkedMux struct {
	ruledMux

	server *server
}

// HandleFunc is called by huma for each operation.
func (m checkedMux) HandleFunc(pattern string, handle func(http.ResponseWriter, *http.Request)) {
	takesJSON := strings.HasPrefix(pattern, "POST ") || strings.HasPrefix(pattern, "PATCH ")
	if !takesJSON || strings.HasSuffix(pattern, " "+backupsPath) {
		m.ruledMux.HandleFunc(pattern, handle)
		return
	}
	m.ruledMux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		buf, err := m.server.bodies.read(r)
		if err == nil {
			defer m.server.bodies.done(buf)
			if buf.Len() > 0 {
				err = checkObject(buf.Bytes())
			}
		}
		if err != nil {
			writeProblem(w, problemOf(err, inBody))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(buf.Bytes()))
		handle(w, r)
	})
}

const companyPath = "/v1/companies/{company}"

// An op names an operation for the description; the rest of it is the same for all.
func (s *server) op(id, method, path, summary string, status int) huma.Operation {
	tag, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, companyPath+"/"), "/v1/"), "/")
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, DefaultStatus: status,
		Tags:            []string{tag},
		MaxBodyBytes:    s.bodies.max + 1, // huma refuses what reaches its limit
		BodyReadTimeout: -1,               // the body has been read, and its time must not end the command
	}
}

// register adds an operation, with our problem as what it answers else.
func register[I, O any](api huma.API, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	described := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem](), true, "Problem")
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	op.Responses["default"] = &huma.Response{
		Description: "A problem, as in RFC 9457",
		Content:     map[string]*huma.MediaType{problemJSON: {Schema: described}},
	}
	huma.Register(api, op, handle)
}

// A content is what an operation answers.
type content[T any] struct{ Body T }

// An empty is an answer without content.
type empty struct{}

// A list is a page as /v1 answers it.
type list[T any] struct {
	Data       []T    `json:"data"                 nullable:"false"`
	NextCursor string `json:"nextCursor,omitempty" doc:"The next page's cursor, absent on the last; a short page may have one"`
}

// What operations take. The fields are written out, for huma reads no fields of embedded types that are not exported.
type (
	one struct {
		Company string `doc:"The tenant's id" path:"company"`
		ID      string `path:"id"`
	}
	onOne[B any] struct {
		Company string `doc:"The tenant's id" path:"company"`
		ID      string `path:"id"`
		Body    B
	}
	creation[B any] struct {
		Company        string `doc:"The tenant's id"                                                  path:"company"`
		IdempotencyKey string `doc:"Makes the command safe to repeat for 24 hours with this content" header:"Idempotency-Key"`
		Body           B
	}
	paged struct {
		Company string `doc:"The tenant's id"             path:"company"`
		Limit   int    `default:"50"                      doc:"How many at the most" maximum:"250" minimum:"1" query:"limit"`
		Cursor  string `doc:"nextCursor of the page before" query:"cursor"`
	}
)

func (p paged) query() engine.ListQuery {
	return engine.ListQuery{Company: p.Company, Limit: p.Limit, Cursor: p.Cursor}
}

func reply[T any](v T, err error) (*content[T], error) {
	if err != nil {
		return nil, problemOf(err, inBody)
	}
	return &content[T]{v}, nil
}

func replyPage[T any](page engine.Page[T], err error) (*content[list[T]], error) {
	if err != nil {
		return nil, problemOf(err, inQuery)
	}
	items := page.Items
	if items == nil {
		items = []T{}
	}
	return &content[list[T]]{list[T]{items, page.Next}}, nil
}

func replyEmpty(err error) (*empty, error) {
	if err != nil {
		return nil, problemOf(err, inBody)
	}
	return &empty{}, nil
}
