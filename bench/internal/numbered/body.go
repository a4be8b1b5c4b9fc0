// Package numbered is what the benchmark makes of package harness: every body bears a number, so that of each request it is known when it
// was due, sent, accepted, and when it arrived. It makes the bodies, posts them with the generators of harness/load, and notes their
// arrivals at a receiver of the harness.
//
// Read next: record.go for the requests, receiver.go for the arrivals; package contest, which measures with them.
package numbered

import (
	"bytes"
	"fmt"
	"net/http"
)

const (
	marker = "bench-" // before the number, in the candidate's email
	digits = 9        // of the number, always as many, so that a body is numbered in place

	// DeliveredSize is the length of a delivered body: that of a plain candidate of the system that we replace, and of the
	// measurements of other systems that we compare with.
	DeliveredSize = 409
)

// Candidate is what is posted to POST /candidates, for a company; the body delivered for it has about DeliveredSize bytes.
func Candidate(company string) []byte {
	return fmt.Appendf(nil, `{"companyId":%q,"email":"bench-000000000@example.com","firstName":"Ada","lastName":"Lovelace"}`, company)
}

// Message is what is posted to POST /v1/companies/{company}/messages.
func Message(eventType string) []byte {
	return fmt.Appendf(nil, `{"eventType":%q,"data":%s}`, eventType, Data())
}

// Data is what such a message tells.
func Data() []byte {
	return []byte(`{"email":"bench-000000000@example.com","firstName":"Ada","lastName":"Lovelace"}`)
}

// Delivered is a body as the receiver gets it, exactly DeliveredSize bytes. The raw baselines send it.
func Delivered() []byte {
	const head = `{"resource":{"id":"cand_01JD0000000000000000000000","type":"candidate","email":"bench-000000000@example.com",` +
		`"firstName":"Ada","lastName":"Lovelace","createdAt":"2026-01-01T00:00:00.000Z"},` +
		`"resourceId":"cand_01JD0000000000000000000000","resourceType":"candidate","triggeredAt":"2026-01-01T00:00:00.000Z",` +
		`"token":"`
	const tail = `"}`
	token := bytes.Repeat([]byte("a"), DeliveredSize-len(head)-len(tail))
	return append(append([]byte(head), token...), tail...)
}

// Set writes n, from 0 to 999,999,999, over the number in body, a body of this package or a copy of one, and returns body.
func Set(body []byte, n int) []byte {
	at := bytes.Index(body, []byte(marker)) + len(marker)
	for i := at + digits - 1; i >= at; i-- {
		body[i] = byte('0' + n%10)
		n /= 10
	}
	return body
}

// ID is the number in a body, with leading zeros, for harness.Options.ID; empty if it bears none. A pointer into the JSON would do too, but
// the whole body would be decoded for it.
func ID(_ http.Header, body []byte) string {
	at := bytes.Index(body, []byte(marker))
	if at < 0 || len(body) < at+len(marker)+digits {
		return ""
	}
	number := body[at+len(marker):][:digits]
	for _, c := range number {
		if c < '0' || c > '9' {
			return ""
		}
	}
	return string(number)
}
