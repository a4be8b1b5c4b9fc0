package core

import "encoding/json"

// typeNewCandidate is the type of the CloudEvent that asks for a candidate; its data is the profile.
const typeNewCandidate = OurEventTypes + "candidate"

// candidateOf asks for a candidate with a profile from outside. A required field that is no text is left empty, which Check refuses by its
// name.
func candidateOf(company, k string, fields map[string]json.RawMessage) *NewCandidate {
	n := &NewCandidate{Company: company, IdempotencyKey: k, Fields: make(map[string]any, len(fields))}
	required := map[string]*string{"email": &n.Email, "firstName": &n.FirstName, "lastName": &n.LastName}
	for name, raw := range fields {
		into, ok := required[name]
		if !ok {
			n.Fields[name] = raw
		} else if json.Unmarshal(raw, into) != nil {
			*into = ""
		}
	}
	return n
}
