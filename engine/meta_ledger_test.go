package engine_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"posthorn/engine/core"
	"posthorn/ports"
)

// A ledger follows the log of a run and gives everything in it the name that it has in every run: webhooks by their description,
// candidates by their address, messages by their data or resource, calls by message and webhook.
type ledger struct {
	codec    *core.Codec
	seq      uint64
	names    map[string]string // by id
	ids      map[string]string // by name
	made     map[string]int
	versions map[string]int // of candidates, by name
	calls    map[string][]*ledgerCall
	byID     map[string]*ledgerCall
	digests  map[string]string // what they are of
	answers  map[core.UsedKey]string
	texts    map[uint64]string // events by seq, ids not yet named
}

type ledgerCall struct {
	name     string
	open     bool
	attempts int
}

func newLedger() *ledger {
	return &ledger{
		codec: core.NewCodec(), names: map[string]string{}, ids: map[string]string{}, made: map[string]int{}, versions: map[string]int{},
		calls: map[string][]*ledgerCall{}, byID: map[string]*ledgerCall{}, digests: map[string]string{},
		answers: map[core.UsedKey]string{}, texts: map[uint64]string{},
	}
}

// follow reads what the log holds by now.
func (l *ledger) follow(r ports.Reader) error {
	for entry, err := range r.Entries(l.seq) {
		if err != nil {
			return err
		}
		recorded, err := l.codec.Decode(entry)
		if err != nil {
			return err
		}
		for _, rec := range recorded {
			if err := l.note(r, rec); err != nil {
				return fmt.Errorf("event %d: %w", rec.Seq, err)
			}
			l.seq = rec.Seq
		}
	}
	return nil
}

// name gives an id its name; a second thing of the same name is marked.
func (l *ledger) name(id, name string) string {
	l.made[name]++
	name = numbered(name, l.made[name])
	l.names[id], l.ids[name] = name, id
	return name
}

// numbered marks the second thing of a name and those after it.
func numbered(name string, n int) string {
	if n == 1 {
		return name
	}
	return fmt.Sprintf("%s#%d", name, n)
}

func (l *ledger) note(r ports.Reader, rec core.Recorded) (err error) {
	l.texts[rec.Seq] = l.describe(rec)
	if k, digest, ok := core.VaultItemOf(rec.Event); ok {
		name := strings.ReplaceAll(strings.TrimPrefix(string(k), "v\x00"), "\x00", "/")
		l.digests[digest] = strings.TrimSuffix(name, "/"+digest)
	}
	switch e := rec.Event.(type) {
	case core.EngineStarted:
		l.names[e.Engine] = "engine"
	case core.WebhookRegistered:
		l.name(e.Webhook, e.Description)
	case core.CandidateCreated:
		err = l.candidate(r, e)
	case core.CandidateUpdated:
		l.versions[l.names[e.ID]] = e.Version
	case core.CandidateApplied:
		l.versions[l.names[e.ID]] = e.Version
	case core.CandidateStateChanged:
		l.versions[l.names[e.ID]] = e.Version
	case core.CandidateDeleted:
		l.versions[l.names[e.ID]] = e.Version
	case core.MessagePublished:
		err = l.message(r, e)
	case core.KeyUsed:
		l.answers[core.UsedKey{Company: e.Company, Route: e.Route, Key: e.Key}] = e.Answer
	default:
		l.call(e)
	}
	return err
}

func (l *ledger) candidate(r ports.Reader, e core.CandidateCreated) error {
	var profile struct {
		Email string `json:"email"`
	}
	if err := readVault(r, core.ResourceKey(e.ResourceRef), &profile); err != nil {
		return err
	}
	tag, _, _ := strings.Cut(profile.Email, "@")
	l.versions[l.name(e.ID, tag)] = e.Version
	return nil
}

func (l *ledger) message(r ports.Reader, e core.MessagePublished) error {
	if strings.HasPrefix(e.EventType, "candidate.") {
		l.name(e.Message, fmt.Sprintf("%sv%d", l.names[e.Resource.ID], e.Resource.Version))
		return nil
	}
	var data struct {
		Tag string `json:"tag"`
	}
	err := readVault(r, core.DataKey(e.Message), &data)
	l.name(e.Message, data.Tag)
	return err
}

func readVault(r ports.Reader, k []byte, into any) error {
	value, err := r.Get(k)
	if err != nil {
		return err
	}
	data, err := core.OpenVaultItem(value, "")
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

func (l *ledger) call(e core.Event) {
	switch e := e.(type) {
	case core.CallRequested:
		base := l.names[e.Message] + "@" + l.names[e.Webhook]
		c := &ledgerCall{name: l.name(e.Call, base), open: true}
		l.calls[base] = append(l.calls[base], c)
		l.byID[e.Call] = c
	case core.CallAttempted:
		l.byID[e.Call].attempts = max(l.byID[e.Call].attempts, e.Attempt)
	case core.CallSucceeded:
		l.byID[e.Call].open = false
	case core.CallFailed:
		l.byID[e.Call].open = false
	case core.CallSkipped:
		l.byID[e.Call].open = false
	case core.CallCancelled:
		l.byID[e.Call].open = false
	}
}

// attempt names the attempt that a request to a webhook makes: the next one of its open call.
func (l *ledger) attempt(message, hook string) (call string, attempt int) {
	calls := l.calls[l.names[message]+"@"+hook]
	for _, c := range calls {
		if call, attempt = c.name, c.attempts+1; c.open {
			break
		}
	}
	return call, attempt
}

// describe writes an event. Lease and epoch say how often the engine has asked and started, which differs where it crashes.
func (l *ledger) describe(rec core.Recorded) string {
	if e, ok := rec.Event.(core.CallAttempted); ok {
		e.Lease, e.Epoch, e.Failing, e.Recovered = 0, 0, nil, false
		rec.Event = e
	}
	text, _ := json.Marshal(rec.Event)
	return l.codec.TypeName(rec.Event) + string(text)
}
