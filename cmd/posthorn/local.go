package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// localOnly refuses with 403 what a web page in a browser on this machine could send to an engine without a key: a request from another
// site's page, told by its Origin, and one by a foreign name that was made to lead here (DNS rebinding), told by its Host. A form or
// a text/plain POST needs no preflight, so CORS alone would not stop it.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch origin := r.Header.Values("Origin"); {
		case !loopbackName(hostOf(r.Host)):
			forbid(w, "Host", r.Host)
		case len(origin) > 1 || len(origin) == 1 && !loopbackName(originHost(origin[0])):
			forbid(w, "Origin", strings.Join(origin, ", "))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func forbid(w http.ResponseWriter, header, value string) {
	writeProblem(w, http.StatusForbidden, "forbidden",
		fmt.Sprintf("the request is refused: its %s %.100q is not of this machine, and without an API key only this machine is let in; "+
			"set POSTHORN_API_KEY and send the key, or call http://127.0.0.1; for development there is --dev", header, value))
}

// writeProblem answers with problem details, as /v1 does.
func writeProblem(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	writeJSON(w, status, struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, code, detail})
}

// writeJSON answers with a value that always marshals, of the type that the header names.
func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err) // texts and a number always marshal
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone, if this fails
}

// hostOf takes the port from a Host header's value, and the brackets of an IPv6 address.
func hostOf(value string) string {
	if host, _, err := net.SplitHostPort(value); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(value, "["), "]")
}

// originHost is the host of an Origin header's value; "" for null, which sandboxed pages and files send.
func originHost(value string) string {
	origin, err := url.Parse(value)
	if err != nil {
		return ""
	}
	return origin.Hostname()
}

// loopbackName says whether browsers take the host for this machine, without asking a resolver that others may govern
// (RFC 6761, section 6.3).
func loopbackName(host string) bool {
	host = strings.ToLower(host)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.Unmap().IsLoopback()
}
