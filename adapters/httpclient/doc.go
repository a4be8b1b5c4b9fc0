// Package httpclient is the Go client of the HTTP API that package httpapi serves: the engine's methods by the same names, with the
// same types and sentinels, so that a program can speak to an engine in another process as it would to one of its own.
//
// Read next: client.go for how a request is made, problem.go for how answers become errors again.
package httpclient
