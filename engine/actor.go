package engine

import (
	"context"

	"posthorn/engine/core"
)

// An Actor is who asked for a command: it stands in the log, beside the events.
type Actor = core.Actor

type actorKey struct{}

// WithActor returns a context whose commands are recorded as asked for by a. Each part is cut at 128 bytes. httpapi does it for every
// request; a program that embeds the engine may name its own users.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a.Kept())
}

// actorOf is nil where the context names nobody: what the engine does by itself, and what nobody has signed.
func actorOf(ctx context.Context) *core.Actor {
	by, _ := ctx.Value(actorKey{}).(*core.Actor)
	return by
}
