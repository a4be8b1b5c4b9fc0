package engine

import (
	"cmp"
	"maps"
	"slices"
)

// UndeliveredCounts say how much was not delivered, of what kind, and why, the most frequent first. Webhooks are counted for calls only,
// companies when all of them were asked for.
type UndeliveredCounts struct {
	Total      int     `json:"total"`
	Kinds      []Count `json:"kinds"`
	Reasons    []Count `json:"reasons"`
	EventTypes []Count `json:"eventTypes"`
	Webhooks   []Count `json:"webhooks"`
	Companies  []Count `json:"companies,omitempty"`
}

// A Count says how often a name came.
type Count struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// maxCounted bounds the names that are counted apart; those that come after so many others are counted together, as OtherNames.
const maxCounted = 1000

// OtherNames stands for the names beyond the first 1,000 that were met.
const OtherNames = "(others)"

// A tally counts names.
type tally map[string]int

func (t tally) add(name string) {
	if _, known := t[name]; !known && len(t) >= maxCounted {
		name = OtherNames
	}
	t[name]++
}

func (t tally) counts() []Count {
	out := make([]Count, 0, len(t))
	for _, name := range slices.Sorted(maps.Keys(t)) {
		out = append(out, Count{name, t[name]})
	}
	slices.SortStableFunc(out, func(a, b Count) int { return cmp.Compare(b.Count, a.Count) })
	return out
}

// tallies count what is found.
type tallies struct {
	total                                           int
	kinds, reasons, eventTypes, webhooks, companies tally
}

func newTallies() *tallies {
	return &tallies{kinds: tally{}, reasons: tally{}, eventTypes: tally{}, webhooks: tally{}, companies: tally{}}
}

func (t *tallies) add(u Undelivered) {
	t.total++
	t.kinds.add(string(u.Kind))
	t.reasons.add(u.Reason)
	t.eventTypes.add(u.EventType)
	t.companies.add(u.Company)
	if u.Webhook != "" {
		t.webhooks.add(u.Webhook)
	}
}

func (t *tallies) counts(allCompanies bool) *UndeliveredCounts {
	out := &UndeliveredCounts{
		Total: t.total, Kinds: t.kinds.counts(), Reasons: t.reasons.counts(), EventTypes: t.eventTypes.counts(), Webhooks: t.webhooks.counts(),
	}
	if allCompanies {
		out.Companies = t.companies.counts()
	}
	return out
}
