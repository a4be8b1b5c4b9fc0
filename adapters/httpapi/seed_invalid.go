package httpapi

import (
	"slices"
	"strings"

	"posthorn/engine"
)

// seedInvalids is the seed's answer to a request that does not hold what it must. The two routes there disagree on the key: one
// reads a list in error, the other a list in errors and a text in error. Details is ours.
type seedInvalids struct {
	Message string           `json:"message"`
	Error   any              `json:"error"`
	Errors  []string         `json:"errors"`
	Details []engine.Problem `json:"details"`
}

func seedInvalid(listInError bool, e *engine.InvalidError) []byte {
	answer := seedInvalids{Message: "Validation errors"}
	for _, p := range e.Problems {
		p.Field = seedName(p.Field)
		answer.Details = append(answer.Details, p)
		if text := seedWording(p); !slices.Contains(answer.Errors, text) {
			answer.Errors = append(answer.Errors, text)
		}
	}
	answer.Error = strings.Join(answer.Errors, ", ")
	if listInError {
		answer.Error = answer.Errors
	}
	return toJSON(answer)
}

// seedName turns the engine's name of a field into the seed's.
func seedName(field string) string {
	switch field {
	case "company":
		return "companyId"
	case "eventTypes":
		return "eventType"
	default:
		return field
	}
}

// seedWording is what the seed says of its required fields; of others it knows nothing.
func seedWording(p engine.Problem) string {
	switch p.Field {
	case "companyId", "url", "eventType", "email", "firstName", "lastName":
		return "Required field " + p.Field + " not found or invalid"
	default:
		return p.Text
	}
}
