package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"strconv"

	"posthorn/engine"
	"posthorn/ports"
)

// The routes of the system that Posthorn replaces. They are plain handlers, outside of huma: their clients send JSON under any
// Content-Type and read shapes that no schema of ours would choose, and POST /candidates is the hot path.

func (s *server) addSeed(mux ruledMux) {
	mux.HandleFunc("POST /webhooks", s.seedWebhook)
	mux.HandleFunc("POST /candidates", s.seedCandidate)
	mux.HandleFunc("GET /webhook_history/{companyId}", s.seedHistory)
}

func (s *server) seedWebhook(w http.ResponseWriter, r *http.Request) {
	const failed = "Webhook creation failed"
	fields, err := s.seedFields(r)
	if err != nil {
		s.seedRefuse(w, r, failed, err)
		return
	}
	company, problems := seedCompany(fields["companyId"])
	registered, err := s.engine.RegisterWebhook(r.Context(), engine.NewWebhook{
		Company: company, URL: seedText(fields["url"]), EventTypes: []string{seedText(fields["eventType"])}, Seed: true,
		IdempotencyKey: r.Header.Get("Idempotency-Key"),
	})
	if err = together(problems, err); err != nil {
		s.seedRefuse(w, r, failed, err)
		return
	}
	writeJSON(w, http.StatusOK, toJSON(seedRegistered{"Webhook created", seedWebhook{
		Token: registered.Secret, ID: registered.ID, Company: registered.Company, URL: registered.URL,
		EventType: registered.EventTypes[0], CreatedAt: formatTime(registered.CreatedAt),
	}}))
}

type seedRegistered struct {
	Message string      `json:"message"`
	Data    seedWebhook `json:"data"`
}

type seedWebhook struct {
	Token     string `json:"token"`
	ID        string `json:"id"`
	Company   string `json:"companyId"`
	URL       string `json:"url"`
	EventType string `json:"eventType"`
	CreatedAt string `json:"createdAt"`
}

func (s *server) seedCandidate(w http.ResponseWriter, r *http.Request) {
	const failed = "Candidate creation failed"
	fields, err := s.seedFields(r)
	if err != nil {
		s.seedRefuse(w, r, failed, err)
		return
	}
	created, err := s.newSeedCandidate(r, fields)
	if err != nil {
		s.seedRefuse(w, r, failed, err)
		return
	}
	body := make([]byte, 0, 96)
	body = append(body, `{"message":"Candidate created","data":{"id":`...)
	body = strconv.AppendQuote(body, created.ID) // an id is a prefix and a ULID: there is nothing in it to escape
	writeJSON(w, http.StatusOK, append(body, "}}"...))
}

func (s *server) newSeedCandidate(r *http.Request, fields map[string]json.RawMessage) (engine.Candidate, error) {
	company, problems := seedCompany(fields["companyId"])
	n := candidateOf(company, fields)
	n.IdempotencyKey = r.Header.Get("Idempotency-Key")
	if len(problems) > 0 {
		n.Company = "" // the engine refuses it, and names the other faults too
	}
	created, err := s.engine.CreateCandidate(r.Context(), n)
	return created, together(problems, err)
}

// candidateOf splits the object that a client sends: what the engine asks for by name, and all the rest.
func candidateOf(company string, fields map[string]json.RawMessage) engine.NewCandidate {
	n := engine.NewCandidate{
		Company: company, Fields: make(map[string]any, len(fields)),
		Email: seedText(fields["email"]), FirstName: seedText(fields["firstName"]), LastName: seedText(fields["lastName"]),
	}
	for name, raw := range fields {
		switch name {
		case "companyId", "email", "firstName", "lastName":
		default:
			n.Fields[name] = raw
		}
	}
	return n
}

// seedFields decodes the body as a JSON object whatever the Content-Type says: the seed's page says multipart/form-data. It holds a
// company's key to that company.
func (s *server) seedFields(r *http.Request) (map[string]json.RawMessage, error) {
	buf, err := s.bodies.read(r)
	if err != nil {
		return nil, err
	}
	defer s.bodies.done(buf)
	fields, err := decodeObject(buf.Bytes())
	if err != nil {
		return nil, err
	}
	company, _ := seedCompany(fields["companyId"])
	if p := foreign(accessOf(r.Context()), company); p != nil {
		return nil, p
	}
	return fields, nil
}

// seedText is "" for what is not a string, which the engine then refuses by the field's name.
func seedText(raw json.RawMessage) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]) // valid JSON without an escape is its own text
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

var wholeNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// seedCompany takes a string, or a whole number, whose text it keeps: 42 and "42" are the same company. Other numbers have more
// than one text (4.2e1 is 42), so they name nobody.
func seedCompany(raw json.RawMessage) (string, []engine.Problem) {
	if len(raw) == 0 || raw[0] == '"' || string(raw) == "null" {
		return seedText(raw), nil
	}
	if wholeNumber.Match(raw) {
		return string(raw), nil
	}
	return "", []engine.Problem{{
		Field: "company", Text: "company " + show(string(raw)) + " is refused; it is a string or a whole number; send it as a string",
	}}
}

// together puts problems found here in front of those that the engine found. A company that was refused here was empty there.
func together(problems []engine.Problem, err error) error {
	invalid, ok := errors.AsType[*engine.InvalidError](err)
	if len(problems) == 0 || !ok {
		return err
	}
	all := problems
	for _, p := range invalid.Problems {
		if p.Field != problems[0].Field {
			all = append(all, p)
		}
	}
	return &engine.InvalidError{Problems: all}
}

// seedRefuse answers an error in the seed's shape.
func (s *server) seedRefuse(w http.ResponseWriter, r *http.Request, failed string, err error) {
	p := problemOf(err, inBody)
	s.note(r, p)
	maps.Copy(w.Header(), p.GetHeaders())
	invalid, isInvalid := errors.AsType[*engine.InvalidError](err)
	switch {
	case isInvalid:
		writeJSON(w, p.Status, seedInvalid(r.URL.Path == "/webhooks", invalid))
	case errors.Is(err, ports.ErrConflict) && r.URL.Path == "/webhooks":
		writeJSON(w, p.Status, []byte(`{"message":"Webhook creation failed","error":"Record exists."}`))
	default:
		writeJSON(w, p.Status, toJSON(seedError{failed, p.Detail}))
	}
}

type seedError struct {
	Message string `json:"message"`
	Error   string `json:"error"`
}
