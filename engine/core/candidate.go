package core

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"time"
)

// CandidateType is the resource type of candidates, and PrefixCandidate the prefix of their ids.
const (
	CandidateType   = "candidate"
	PrefixCandidate = "cand_"
)

// The event types of candidates.
const (
	TypeCandidateCreated      = "candidate.created"
	TypeCandidateUpdated      = "candidate.updated"
	TypeCandidateApplied      = "candidate.applied"
	TypeCandidateStateChanged = "candidate.state_changed"
	TypeCandidateDeleted      = "candidate.deleted"
)

// The events of a candidate.
type (
	// CandidateCreated begins a candidate.
	CandidateCreated struct{ ResourceVersion }
	// CandidateUpdated changes profile fields.
	CandidateUpdated struct{ ResourceVersion }
	// CandidateApplied adds an application for a job.
	CandidateApplied struct{ ResourceVersion }
	// CandidateStateChanged changes the state.
	CandidateStateChanged struct{ ResourceVersion }
	// CandidateDeleted ends it.
	CandidateDeleted struct{ ResourceVersion }
)

func (CandidateDeleted) deletes() bool { return true }

func candidateKinds() []kind {
	return []kind{
		kindOf[CandidateCreated](19),
		kindOf[CandidateUpdated](20),
		kindOf[CandidateApplied](21),
		kindOf[CandidateStateChanged](22),
		kindOf[CandidateDeleted](23),
	}
}

// NewCandidate asks for a candidate. Company, Email, FirstName and LastName are required.
type NewCandidate struct {
	Company, Email, FirstName, LastName string
	// Fields are further profile fields, kept whole. The names id, type, createdAt and companyId are the engine's and are left out.
	Fields map[string]any
	// IdempotencyKey makes the command safe to repeat for 24 hours; empty for none.
	IdempotencyKey string
}

// A Candidate is the sample resource: a person in an applicant tracking system.
type Candidate struct {
	ID      string `json:"id"`
	Company string `json:"company"`
	// Version grows by one with each change.
	Version int `json:"version"`
	// Profile is the resource as receivers see it, a JSON object.
	Profile   json.RawMessage `json:"profile"`
	CreatedAt time.Time       `json:"createdAt"`
	UpdatedAt time.Time       `json:"updatedAt"`
}

// Limits of a candidate.
const (
	maxEmail   = 254 // RFC 5321, section 4.5.3.1.3, less the angle brackets
	maxName    = 256
	maxProfile = 256 << 10
	maxState   = 128
)

var emailForm = regexp.MustCompile(`^[^\s@<>,;:"\\\[\]()]+@[^\s@<>,;:"\\\[\]()]+\.[^\s@<>,;:"\\\[\]()]+$`)

type profile map[string]json.RawMessage

// Check validates the candidate and returns its profile, ready to be decided on. It needs no state, so that it can run before the
// writer's turn.
func (n NewCandidate) Check() (CandidateProfile, error) {
	var p problems
	checkCompany(&p, n.Company)
	checkIdempotencyKey(&p, n.IdempotencyKey)
	fields, err := encodeFields(n.Fields)
	if err != nil {
		p.add("fields", "a profile field cannot be written as JSON: %v; change it", err)
	}
	for name, value := range map[string]string{"email": n.Email, "firstName": n.FirstName, "lastName": n.LastName} {
		fields[name] = appendText(nil, value)
	}
	fields.check(&p)
	return CandidateProfile{Company: n.Company, fields: fields}, p.err()
}

// A CandidateProfile is a checked profile.
type CandidateProfile struct {
	Company string
	fields  profile
}

func encodeFields(in map[string]any) (profile, error) {
	out := make(profile, len(in)+3)
	for name, value := range in {
		if reserved(name) {
			continue
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return out, err
		}
		out[name] = raw
	}
	return out, nil
}

func reserved(name string) bool {
	return name == "id" || name == "type" || name == "createdAt" || name == "companyId"
}

func (f profile) text(name string) string {
	raw := f[name]
	if last := len(raw) - 1; last > 0 && raw[0] == '"' && raw[last] == '"' && plainText(raw[1:last]) {
		return string(raw[1:last])
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func (f profile) check(p *problems) {
	if email := f.text("email"); len(email) > maxEmail || !printable(email) || !emailForm.MatchString(email) {
		p.add("email", "Required field email not found or invalid: %s; give an address such as ada@example.com", Show(email))
	}
	for _, name := range []string{"firstName", "lastName"} {
		if value := f.text(name); value == "" || len(value) > maxName {
			p.add(name, "Required field %s not found or invalid: %s; give 1 to %d bytes of text", name, Show(value), maxName)
		}
	}
	f.checkSize(p)
}

// checkSize is for every new version: applications add up.
func (f profile) checkSize(p *problems) {
	size := 0
	for name, value := range f {
		size += len(name) + len(value)
		checkDepth(p, name, value)
	}
	if size > maxProfile {
		p.add("fields", "the profile has %d bytes; the most is %d; leave some fields out", size, maxProfile)
	}
}

// CreateCandidate stores a new candidate and plans the calls that tell of it.
func CreateCandidate(in Inputs, now time.Time, p CandidateProfile, r Routing) (Decision, Candidate, Message, error) {
	id := in.ID(PrefixCandidate)
	c := candidateChange{company: p.Company, id: id, version: 1, createdAt: now, eventType: TypeCandidateCreated, fields: p.fields}
	return c.decide(in, now, r, func(v ResourceVersion) Event { return CandidateCreated{v} })
}

// A candidateChange is what all candidate commands come down to: a new version and a message that tells of it.
type candidateChange struct {
	company, id string
	version     int
	createdAt   time.Time
	eventType   string
	fields      profile
	data        json.RawMessage
}

func (c candidateChange) decide(in Inputs, now time.Time, r Routing, event func(ResourceVersion) Event) (
	Decision, Candidate, Message, error,
) {
	body := resourceBody(CandidateType, c.id, c.fields, c.createdAt)
	ref := ResourceRef{Type: CandidateType, ID: c.id, Version: c.version}
	var d Decision
	digest := d.keep(in, ResourceKey(ref), body)
	d.tell(event(ResourceVersion{ResourceRef: ref, Company: c.company, Digest: digest}))
	m := MessageRef{Message: in.ID(PrefixMessage), Company: c.company, EventType: c.eventType, Resource: &ref}
	message, err := d.publish(in, now, m, c.data, body, r)
	if err != nil {
		return Decision{}, Candidate{}, Message{}, err
	}
	return d, Candidate{ID: c.id, Company: c.company, Version: c.version, Profile: body, CreatedAt: c.createdAt, UpdatedAt: now}, message, nil
}

// A CandidateEdit changes one candidate. Exactly one of its kinds is asked for by the function that made it.
type CandidateEdit struct {
	company, id string
	eventType   string
	event       func(ResourceVersion) Event
	apply       func(profile, time.Time) (profile, json.RawMessage, error)
}

// Company returns the candidate's company, ID its id.
func (e CandidateEdit) Company() string { return e.company }

// ID returns the candidate's id.
func (e CandidateEdit) ID() string { return e.id }

// UpdateCandidate merges fields into the profile, as RFC 7396 does at the top level: a null removes a field.
func UpdateCandidate(company, id string, fields map[string]any) (CandidateEdit, error) {
	changed, err := encodeFields(fields)
	var p problems
	switch {
	case err != nil:
		p.add("fields", "a profile field cannot be written as JSON: %v; change it", err)
	case len(changed) == 0:
		p.add("fields", "no profile field to change was given; an update changes at least one; name it")
	}
	merge := func(old profile, _ time.Time) (profile, json.RawMessage, error) {
		next := maps.Clone(old)
		for name, value := range changed {
			if string(value) == "null" {
				delete(next, name)
			} else {
				next[name] = value
			}
		}
		var p problems
		next.check(&p)
		return next, nil, p.err()
	}
	return CandidateEdit{company, id, TypeCandidateUpdated, func(v ResourceVersion) Event { return CandidateUpdated{v} }, merge}, p.err()
}

// ApplyForJob adds an application to the profile; the message's data names the job.
func ApplyForJob(company, id, job string) (CandidateEdit, error) {
	var p problems
	checkWord(&p, "job", job)
	apply := func(old profile, now time.Time) (profile, json.RawMessage, error) {
		var all []json.RawMessage
		if raw, ok := old["applications"]; ok && json.Unmarshal(raw, &all) != nil {
			return nil, nil, conflict("candidate %s has a profile field applications that is not a list; remove it first", Show(id))
		}
		data := object("job", job, "appliedAt", FormatTime(now))
		return withField(old, "applications", append(all, data)), data, nil
	}
	return CandidateEdit{company, id, TypeCandidateApplied, func(v ResourceVersion) Event { return CandidateApplied{v} }, apply}, p.err()
}

// ChangeCandidateState sets the profile's state; the message's data holds the old and the new one.
func ChangeCandidateState(company, id, state string) (CandidateEdit, error) {
	var p problems
	checkWord(&p, "state", state)
	apply := func(old profile, _ time.Time) (profile, json.RawMessage, error) {
		if old.text("state") == state {
			return nil, nil, conflict("candidate %s is in state %s already; nothing would change", Show(id), Show(state))
		}
		return withField(old, "state", state), object("from", old.text("state"), "to", state), nil
	}
	return CandidateEdit{company, id, TypeCandidateStateChanged, func(v ResourceVersion) Event { return CandidateStateChanged{v} }, apply}, p.err()
}

// DeleteCandidate ends a candidate. Its last version holds only when it was deleted. Calls that wait still tell what they were
// to tell: a deletion is not an erasure.
func DeleteCandidate(company, id string) CandidateEdit {
	apply := func(_ profile, now time.Time) (profile, json.RawMessage, error) {
		return withField(profile{}, "deletedAt", FormatTime(now)), nil, nil
	}
	return CandidateEdit{company, id, TypeCandidateDeleted, func(v ResourceVersion) Event { return CandidateDeleted{v} }, apply}
}

// CurrentCandidate returns the reference of the version in force, or ErrNotFound.
func CurrentCandidate(s *State, company, id string) (ResourceVersion, error) {
	row, err := s.resource(company, CandidateType, id)
	if err != nil {
		return ResourceVersion{}, err
	}
	return row.current(), nil
}

// Decide makes the next version from the current one's body, which the engine reads from the vault.
func (e CandidateEdit) Decide(s *State, in Inputs, now time.Time, current []byte, r Routing) (Decision, Candidate, Message, error) {
	row, err := s.resource(e.company, CandidateType, e.id)
	if err != nil {
		return Decision{}, Candidate{}, Message{}, err
	}
	var old profile
	if err := json.Unmarshal(current, &old); err != nil {
		return Decision{}, Candidate{}, Message{}, damaged("profile of candidate", e.id)
	}
	maps.DeleteFunc(old, func(name string, _ json.RawMessage) bool { return reserved(name) })
	fields, data, err := e.apply(old, now)
	if err != nil {
		return Decision{}, Candidate{}, Message{}, err
	}
	var p problems
	fields.checkSize(&p)
	if err := p.err(); err != nil {
		return Decision{}, Candidate{}, Message{}, err
	}
	c := candidateChange{
		company: e.company, id: e.id, version: row.Version + 1, createdAt: row.CreatedAt.Time(), eventType: e.eventType, fields: fields, data: data,
	}
	return c.decide(in, now, r, e.event)
}

func withField(old profile, name string, value any) profile {
	next := maps.Clone(old)
	next[name], _ = json.Marshal(value) //nolint:errchkjson // strings and raw JSON can be written
	return next
}

// object writes pairs of names and texts as a JSON object, in the order given.
func object(pairs ...string) json.RawMessage {
	out := []byte{'{'}
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendText(append(appendText(out, pairs[i]), ':'), pairs[i+1])
	}
	return append(out, '}')
}

func checkWord(p *problems, field, value string) {
	if value == "" || len(value) > maxState || !printable(value) {
		p.add(field, "%s is refused; a %s is 1 to %d bytes of plain text; change it", fmt.Sprintf("%s %s", field, Show(value)), field, maxState)
	}
}

// Size returns the bytes of the profile's values, for bounding what waits.
func (p CandidateProfile) Size() int {
	size := 0
	for _, value := range p.fields {
		size += len(value)
	}
	return size
}
