package core

import (
	"slices"
	"time"

	"posthorn/ports"
)

// PrefixReplay begins the id of a replay.
const PrefixReplay = "rep_"

// A ReplayMode says whom a replay calls.
type ReplayMode string

// The modes.
const (
	// ReplaySame makes the calls of the range again, each to its webhook.
	ReplaySame ReplayMode = "same"
	// ReplayMatch matches the messages of the range against the webhooks of today, and calls those that have not got them.
	ReplayMatch ReplayMode = "match"
)

// A ReplayState is where a replay stands.
type ReplayState string

// The states: two open, two ended.
const (
	ReplayIsRunning   ReplayState = "running"
	ReplayIsPaused    ReplayState = "paused"
	ReplayIsDone      ReplayState = "done"
	ReplayIsCancelled ReplayState = "cancelled"
)

// Open tells whether the replay may still request calls.
func (s ReplayState) Open() bool { return s == ReplayIsRunning || s == ReplayIsPaused }

// Why a replay does not send something. Others are those of calls.
const (
	// StillOpen calls will be attempted anyway.
	StillOpen Reason = "call still open"
	// AlreadyDelivered messages have had a success at the webhook.
	AlreadyDelivered Reason = "delivered already"
	// NewerCallInRange stands for a call whose message has a newer call of the range for the same webhook: that one is made again.
	NewerCallInRange Reason = "newer call in the range"
	// PayloadIsGone marks what was erased, or pruned by age.
	PayloadIsGone Reason = "payload not kept"
	// NotAskedFor marks messages of a type that the webhook does not want.
	NotAskedFor Reason = "event type not asked for"
	// FilterDiffers marks messages that the webhook's filter does not match.
	FilterDiffers Reason = "filter does not match"
)

// Limits of a replay's rate, in calls a second.
const (
	DefaultReplayRate = 200
	MaxReplayRate     = 1000
)

// A ReplayQuery is the range of a replay; zero fields do not narrow it.
type ReplayQuery struct {
	// Webhook narrows ReplaySame to its calls, and ReplayMatch to it alone as the one to call.
	Webhook   string `json:"webhook,omitempty" cbor:"4,keyasint,omitempty"`
	EventType string `json:"eventType,omitempty" cbor:"5,keyasint,omitempty"`
	// State is that of calls; ReplayMatch takes the messages that have such a call, and without a State those that no webhook asked for too.
	State CallState `json:"state,omitempty" cbor:"16,keyasint,omitempty"`
	// Since and Until bound the creation of calls and unmatched messages: Since <= t < Until.
	Since Stamp `json:"since,omitzero" cbor:"73,keyasint,omitempty"`
	Until Stamp `json:"until,omitzero" cbor:"70,keyasint,omitempty"`
}

// ReplayCounts say what a replay, or a step of one, did with what it found.
type ReplayCounts struct {
	// Found counts the calls of ReplaySame and the messages of ReplayMatch that are in the range.
	Found int `json:"found" cbor:"150,keyasint,omitempty"`
	// Calls were requested; Newly of these are for webhooks that had no call of the message before.
	Calls int `json:"calls" cbor:"151,keyasint,omitempty"`
	Newly int `json:"newly,omitempty" cbor:"152,keyasint,omitempty"`
	// Left counts what was not sent, by reason: calls of ReplaySame, pairs of message and webhook of ReplayMatch.
	Left map[Reason]int `json:"left,omitempty" cbor:"153,keyasint,omitempty"`
}

// Plus returns the sums.
func (c ReplayCounts) Plus(more ReplayCounts) ReplayCounts {
	sum := ReplayCounts{Found: c.Found + more.Found, Calls: c.Calls + more.Calls, Newly: c.Newly + more.Newly}
	for _, left := range []map[Reason]int{c.Left, more.Left} {
		for reason, n := range left {
			sum.leave(reason, n)
		}
	}
	return sum
}

func (c *ReplayCounts) leave(reason Reason, n int) {
	if c.Left == nil {
		c.Left = map[Reason]int{}
	}
	c.Left[reason] += n
}

// ReplayProgress says where the calls of a replay stand. They go on when it is paused or has ended.
type ReplayProgress struct {
	// Waiting of the pending ones have not been attempted yet; a replay requests no more while many wait.
	Waiting   int `json:"waiting" cbor:"155,keyasint,omitempty"`
	Pending   int `json:"pending" cbor:"156,keyasint,omitempty"`
	Succeeded int `json:"succeeded" cbor:"157,keyasint,omitempty"`
	Failed    int `json:"failed" cbor:"158,keyasint,omitempty"`
	Skipped   int `json:"skipped" cbor:"159,keyasint,omitempty"`
	Cancelled int `json:"cancelled" cbor:"160,keyasint,omitempty"`
}

func (p *ReplayProgress) in(state CallState) *int {
	switch state {
	case Succeeded:
		return &p.Succeeded
	case Failed:
		return &p.Failed
	case Skipped:
		return &p.Skipped
	case Cancelled:
		return &p.Cancelled
	case Pending:
	}
	return &p.Pending
}

// A ReplayCursor is how far a replay has come: through the calls in the order of their ids, then through the messages that no webhook
// asked for.
type ReplayCursor struct {
	Unmatched bool `json:"unmatched,omitempty" cbor:"162,keyasint,omitempty"`
	// After is the last call or message that was looked at.
	After string `json:"after,omitempty" cbor:"163,keyasint,omitempty"`
	// Webhook is set in the midst of After's message: it, and those with smaller ids, are done.
	Webhook string `json:"webhook,omitempty" cbor:"4,keyasint,omitempty"`
}

// A Replay sends a part of a company's history again.
type Replay struct {
	ID      string      `json:"id" cbor:"-"`
	Company string      `json:"company" cbor:"-"`
	Query   ReplayQuery `json:"query" cbor:"148,keyasint,omitempty"`
	Mode    ReplayMode  `json:"mode" cbor:"147,keyasint,omitempty"`
	// Rate is the most calls that it requests a second.
	Rate      float64        `json:"rate" cbor:"63,keyasint,omitempty"`
	State     ReplayState    `json:"state" cbor:"16,keyasint,omitempty"`
	Counts    ReplayCounts   `json:"counts" cbor:"149,keyasint,omitempty"`
	Progress  ReplayProgress `json:"progress" cbor:"154,keyasint,omitempty"`
	Cursor    ReplayCursor   `json:"-" cbor:"161,keyasint,omitempty"`
	CreatedAt time.Time      `json:"createdAt" cbor:"-"`
	UpdatedAt time.Time      `json:"updatedAt" cbor:"-"`
	EndedAt   *time.Time     `json:"endedAt,omitempty" cbor:"-"`
}

// replayRow is the stored form.
type replayRow struct {
	Replay
	Created Stamp `cbor:"12,keyasint,omitempty"`
	Updated Stamp `cbor:"13,keyasint,omitempty"`
	Ended   Stamp `cbor:"15,keyasint,omitempty"`
}

func (r *replayRow) pack() {
	r.Created, r.Updated, r.Ended = StampOf(r.CreatedAt), StampOf(r.UpdatedAt), stampOf(r.EndedAt)
}

func (r *replayRow) unpack(parts []string) bool {
	if len(parts) != 2 {
		return false
	}
	r.Company, r.ID = parts[0], parts[1]
	r.CreatedAt, r.UpdatedAt, r.EndedAt = r.Created.Time(), r.Updated.Time(), r.Ended.Pointer()
	return true
}

// openReplayRow names a company's replay that has not ended: there is at most one.
type openReplayRow struct {
	Company string `cbor:"-"`
	Replay  string `cbor:"145,keyasint,omitempty"`
}

func (o *openReplayRow) unpack(parts []string) bool {
	if len(parts) != 1 {
		return false
	}
	o.Company = parts[0]
	return true
}

// againRow marks a call that was not requested in the entry of its message, where the others of the message are found.
type againRow struct{}

// ReplayKey is the row of a replay.
func ReplayKey(company, replay string) []byte { return key(rowPrefix, "replay", company, replay) }

// ReplayRange covers a company's replays, oldest first.
func ReplayRange(company string) (from, to []byte) { return under(rowPrefix, "replay", company) }

// OpenReplayKey is the row that names a company's replay that has not ended.
func OpenReplayKey(company string) []byte { return key(rowPrefix, "replaying", company) }

// OpenReplayRange covers the replays of all companies that have not ended.
func OpenReplayRange() (from, to []byte) { return under(rowPrefix, "replaying") }

// AgainKey is the row of a call that was requested after its message's own entry.
func AgainKey(company, message, call string) []byte {
	return key(rowPrefix, "again", company, message, call)
}

// AgainRange covers those of a message, oldest first.
func AgainRange(company, message string) (from, to []byte) {
	return under(rowPrefix, "again", company, message)
}

// AgainBehind covers those of a message, and of the company's messages with greater ids.
func AgainBehind(company, message string) (from, to []byte) {
	from, _ = AgainRange(company, message)
	_, to = under(rowPrefix, "again", company)
	return from, to
}

// ParseReplay reads a replay's row.
func ParseReplay(pair ports.Pair) (Replay, error) {
	row, err := parse[replayRow](pair)
	return row.Replay, err
}

// ParseOpenReplay reads the row of a company's open replay.
func ParseOpenReplay(pair ports.Pair) (company, replay string, err error) {
	row, err := parse[openReplayRow](pair)
	return row.Company, row.Replay, err
}

// MessageOf reads which message a key of AgainBehind or ErasedBehind names.
func MessageOf(k []byte) (message string, err error) {
	parts := keyParts(k)
	if len(parts) < 2 {
		return "", damaged("row", string(k))
	}
	return parts[1], nil
}

// ParseAgain reads which call a key of AgainRange names.
func ParseAgain(k []byte) (company, message, call string, err error) {
	parts := keyParts(k)
	if len(parts) != 3 {
		return "", "", "", damaged("row", string(k))
	}
	return parts[0], parts[1], parts[2], nil
}

// NewReplay asks for a replay.
type NewReplay struct {
	Company string
	Query   ReplayQuery
	Mode    ReplayMode
	// Rate is the most calls a second: 0.01 to MaxReplayRate, 0 for DefaultReplayRate.
	Rate float64
	// IdempotencyKey makes the command safe to repeat for 24 hours; empty for none.
	IdempotencyKey string
}

// Check validates what is asked for and fills in the rate. It needs no state.
func (n NewReplay) Check() (NewReplay, error) {
	var p problems
	checkCompany(&p, n.Company)
	checkIdempotencyKey(&p, n.IdempotencyKey)
	if n.Mode != ReplaySame && n.Mode != ReplayMatch {
		p.add("mode", "mode %s is refused; same makes the calls again, match asks today's webhooks; give one of them", Show(string(n.Mode)))
	}
	if n.Query.State != "" && !slices.Contains(CallStates(), n.Query.State) {
		p.add("state", "state %s is refused; there are %v; name one of them", Show(string(n.Query.State)), CallStates())
	}
	if n.Query.Since != 0 && n.Query.Until != 0 && n.Query.Until <= n.Query.Since {
		p.add("until", "until %s is refused; it is not after since, so nothing lies between; change one of them", FormatTime(n.Query.Until.Time()))
	}
	if n.Rate == 0 {
		n.Rate = DefaultReplayRate
	}
	if !(n.Rate >= minRate && n.Rate <= MaxReplayRate) { // what is no number is neither
		p.add("rate", "rate %v is refused; a replay requests %v to %d calls a second; change it", n.Rate, minRate, MaxReplayRate)
	}
	return n, p.err()
}
