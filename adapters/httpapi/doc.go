// Package httpapi is the driving side over HTTP: the three routes of the system that Posthorn replaces, exactly as its clients know
// them, and /v1 with its description in OpenAPI 3.1 at /openapi.json and a page at /docs/ that needs no internet.
//
// [Handler] gives one http.Handler that works under any prefix. It decides nothing: it reads and limits bodies, checks shapes, asks
// the [Engine], and maps errors to statuses in one table (problem.go).
//
// Read next: seed.go for the replaced routes, api.go for how /v1 is put together, package engine for what the commands do.
package httpapi
