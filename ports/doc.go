// Package ports says what the engine needs from the outside, and nothing more: a [Store] that keeps bytes, a [Bus]
// that carries them, and a [Caller] that makes one HTTP attempt.
//
// The ports are poor on purpose. They speak of bytes, strings, times and plain structs, never of webhooks or
// candidates, so that an adapter can be written without knowing the domain. Every method comment is a contract; the
// package portstest holds one conformance suite for each port, and an adapter is right when its suite passes.
//
// Read next: package engine/core for the decisions, package engine for the shell around them.
package ports
