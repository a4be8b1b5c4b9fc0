package core

// ReplayStarted begins a replay: what of a company's history it sends again, and how. It covers what was there before it, and nothing newer.
type ReplayStarted struct {
	Replay  string      `json:"replay" cbor:"145,keyasint,omitempty"`
	Company string      `json:"company" cbor:"1,keyasint,omitempty"`
	Query   ReplayQuery `json:"query,omitzero" cbor:"148,keyasint,omitempty"`
	Mode    ReplayMode  `json:"mode" cbor:"147,keyasint,omitempty"`
	Rate    float64     `json:"rate" cbor:"63,keyasint,omitempty"`
}

// ReplayAdvanced says how far a replay has come: it stands in one entry with the calls that the step requested, so that a crash neither
// repeats nor loses any. Counts are the step's own.
type ReplayAdvanced struct {
	Replay  string       `json:"replay" cbor:"145,keyasint,omitempty"`
	Company string       `json:"company" cbor:"1,keyasint,omitempty"`
	Cursor  ReplayCursor `json:"cursor" cbor:"161,keyasint,omitempty"`
	Counts  ReplayCounts `json:"counts" cbor:"149,keyasint,omitempty"`
}

// ReplayPaused makes it wait.
type ReplayPaused struct {
	Replay  string `json:"replay" cbor:"145,keyasint,omitempty"`
	Company string `json:"company" cbor:"1,keyasint,omitempty"`
}

// ReplayResumed lets it go on.
type ReplayResumed struct {
	Replay  string `json:"replay" cbor:"145,keyasint,omitempty"`
	Company string `json:"company" cbor:"1,keyasint,omitempty"`
}

// ReplayEnded says that it requests no more calls: all are, or Reason says why not. Counts are of the whole replay.
type ReplayEnded struct {
	Replay  string       `json:"replay" cbor:"145,keyasint,omitempty"`
	Company string       `json:"company" cbor:"1,keyasint,omitempty"`
	Reason  Reason       `json:"reason,omitempty" cbor:"31,keyasint,omitempty"`
	Counts  ReplayCounts `json:"counts" cbor:"149,keyasint,omitempty"`
}

func (ReplayStarted) event()  {}
func (ReplayAdvanced) event() {}
func (ReplayPaused) event()   {}
func (ReplayResumed) event()  {}
func (ReplayEnded) event()    {}
