package core

// StreamsPruned says that calls, and messages of which no call is left, were forgotten by age: their rows go with this event, and their own
// events have left the log in the same commit. Its commit also takes their payloads and responses out of the vault.
type StreamsPruned struct {
	Company  string   `json:"company" cbor:"1,keyasint,omitempty"`
	Calls    []string `json:"prunedCalls,omitempty" cbor:"170,keyasint,omitempty"`
	Messages []string `json:"prunedMessages,omitempty" cbor:"171,keyasint,omitempty"`
}

// LogPruned ends the entry of each step of retention: Gone is how many of the events that were ever stored the log no longer has. What is
// missing beyond that is damage.
type LogPruned struct {
	Gone uint64 `json:"gone" cbor:"172,keyasint,omitempty"`
}

// HealthNoted stands in the place of a CallAttempted that was pruned, where that is the last that changed since when its webhook fails: a
// webhook outlives its calls.
type HealthNoted struct {
	Webhook   string   `json:"webhook" cbor:"4,keyasint,omitempty"`
	Company   string   `json:"company" cbor:"1,keyasint,omitempty"`
	Failing   *Failing `json:"failing,omitempty" cbor:"68,keyasint,omitempty"`
	Recovered bool     `json:"recovered,omitempty" cbor:"83,keyasint,omitempty"`
}

func (StreamsPruned) event() {}
func (LogPruned) event()     {}
func (HealthNoted) event()   {}
