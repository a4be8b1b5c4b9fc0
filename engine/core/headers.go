package core

import (
	"maps"
	"slices"
	"strings"
)

// Limits of the headers that a webhook adds to its attempts.
const (
	maxHeaders      = 16
	maxHeaderName   = 64
	maxHeaderValue  = 1024
	maxHeadersBytes = 4096
)

// Masked stands for the value of a sensitive header wherever it is shown.
const Masked = "********"

// ownHeaders are those that are not the webhook's to set: what frames the request (RFC 9110, section 7.6.1), what the body is, and what
// Standard Webhooks says. Names with the prefix webhook- are not either.
func ownHeaders() []string {
	return []string{
		"connection", "content-encoding", "content-length", "content-type", "expect", "host", "keep-alive", "proxy-authorization",
		"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
	}
}

// sensitiveParts betray a header whose value is a secret. Cookies are too.
func sensitiveParts() []string {
	return []string{"auth", "cookie", "credential", "key", "pass", "secret", "session", "signature", "token"}
}

func sensitive(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(sensitiveParts(), func(part string) bool { return strings.Contains(name, part) })
}

// maskHeaders returns headers as they may be shown, nil for none.
func maskHeaders(headers map[string]string) map[string]string {
	if len(headers) == 0 {
		return nil
	}
	shown := maps.Clone(headers)
	for name := range shown {
		if sensitive(name) {
			shown[name] = Masked
		}
	}
	return shown
}

// CheckHeaders refuses headers that no attempt could carry. The error shows names, and never a value.
func CheckHeaders(headers map[string]string) error {
	var p problems
	checkHeaders(&p, headers)
	return p.err()
}

func checkHeaders(p *problems, headers map[string]string) {
	if len(headers) > maxHeaders {
		p.add("headers", "%d headers were given; the most is %d; leave some out", len(headers), maxHeaders)
	}
	size, seen := 0, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		value, folded := headers[name], strings.ToLower(name)
		size += len(name) + len(value)
		switch {
		case !headerName(name):
			p.add("headers", "header %s is refused; a name is 1 to %d letters, digits and any of !#$%%&'*+-.^_`|~; change it",
				Show(name), maxHeaderName)
		case slices.Contains(ownHeaders(), folded) || strings.HasPrefix(folded, "webhook-"):
			p.add("headers", "header %s is refused; it is Posthorn's own to set; leave it out", Show(name))
		case seen[folded]:
			p.add("headers", "header %s was given twice; names do not differ by case; leave one out", Show(name))
		case !headerValue(value):
			p.add("headers", "the value of header %s is refused; it is at most %d bytes of visible ASCII, spaces and tabs between; change it",
				Show(name), maxHeaderValue)
		case value == Masked:
			p.add("headers", "the value of header %s is refused; %s stands for a secret that is not shown; give the secret, or leave headers out to keep them",
				Show(name), Masked)
		}
		seen[folded] = true
	}
	if size > maxHeadersBytes {
		p.add("headers", "the headers have %d bytes; the most is %d; shorten them", size, maxHeadersBytes)
	}
}

// headerName is a token of RFC 9110, section 5.6.2.
func headerName(name string) bool {
	return name != "" && len(name) <= maxHeaderName && !strings.ContainsFunc(name, func(r rune) bool {
		letter := 'a' <= r|0x20 && r|0x20 <= 'z'
		return !letter && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// headerValue is a field value of RFC 9110, section 5.5, without what is obsolete there.
func headerValue(value string) bool {
	return len(value) <= maxHeaderValue && strings.TrimSpace(value) == value &&
		!strings.ContainsFunc(value, func(r rune) bool { return (r < ' ' && r != '\t') || r > '~' })
}
