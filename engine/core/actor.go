package core

import "strings"

// An Actor is who asked for a command. It stands in the entry of what the command led to, and is no part of what the log folds to.
type Actor struct {
	_ struct{} `cbor:",toarray"`
	// Key is the id of the API key, static for the one of the settings, empty where none was asked for.
	Key string `json:"key,omitempty"`
	// Remote is the address that the request came from, without its port; of a proxy's requests it is the proxy's.
	Remote string `json:"remote,omitempty"`
}

// maxActor bounds each part of an actor: an id or an address is shorter, and an entry must not grow by what a caller makes up.
const maxActor = 128

// Kept returns the actor as an entry can hold it, nil for one that says nothing. Log and answers are UTF-8.
func (a Actor) Kept() *Actor {
	kept := Actor{Key: short(a.Key), Remote: short(a.Remote)}
	if kept == (Actor{}) {
		return nil
	}
	return &kept
}

func short(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxActor)], "") }
