package main

import (
	"cmp"
	"context"
	"strings"
	"time"

	"posthorn/engine"
	"posthorn/engine/core"
)

type undeliveredCmd struct {
	clientFlags
	pageFlags

	Company   string                  `env:"POSTHORN_COMPANY" help:"Only this company; without one, all: for keys of scope admin or read." placeholder:"ID"`
	Webhook   string                  `help:"Only calls of this webhook." placeholder:"ID"`
	EventType string                  `help:"Only this event type, or those of a prefix such as invoice.*." placeholder:"TYPE"`
	Kind      *engine.UndeliveredKind `enum:"failed,skipped,cancelled,waiting,unmatched" help:"Only what was not delivered in this way: failed, skipped, cancelled, waiting or unmatched." placeholder:"KIND"` //nolint:lll // a tag
	Reason    string                  `help:"Only for this reason, as the counts have it." placeholder:"TEXT"`
	Since     moment                  `help:"Only what was made then or later: RFC 3339, or a duration ago such as 2h." placeholder:"TIME"`
	Until     moment                  `help:"Only what was made before." placeholder:"TIME"`
	Waiting   time.Duration           `default:"5m" help:"How long an open call has waited to be listed." placeholder:"DURATION"`
	Count     bool                    `help:"Only count."`
}

// countTime bounds the count of what is undelivered, which reads every row of it.
const countTime = 10 * time.Minute

// Run tells what was not delivered, and what to do about it.
func (c *undeliveredCmd) Run(p *program) error {
	q := engine.UndeliveredQuery{
		Company: c.Company, Webhook: c.Webhook, EventType: c.EventType, Kind: or(c.Kind), Reason: c.Reason, Since: time.Time(c.Since),
		Until: time.Time(c.Until), WaitingLonger: c.Waiting, CountOnly: c.Count, Limit: int(c.Limit), Cursor: c.Cursor,
	}
	client, err := c.open()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(p.ctx, countTime)
	defer cancel()
	found, err := client.Undelivered(ctx, q)
	if err != nil {
		return clientError(err)
	}
	return c.print(p, found)
}

// An undeliveredDoc is what --json prints: what /v1 answers.
type undeliveredDoc struct {
	Counts *engine.UndeliveredCounts `json:"counts,omitempty"`
	pageDoc[engine.Undelivered]
}

func (c *undeliveredCmd) print(p *program, found engine.UndeliveredPage) error {
	if found.Items == nil {
		found.Items = []engine.Undelivered{}
	}
	if c.JSON {
		return p.print(true, undeliveredDoc{found.Counts, pageDoc[engine.Undelivered]{found.Items, found.Next}}, nil)
	}
	if found.Counts != nil {
		if err := p.print(false, nil, func(t table) { c.showCounts(t, *found.Counts) }); err != nil || c.Count || found.Counts.Total == 0 {
			return err
		}
		if _, err := p.stdout.Write([]byte("\n")); err != nil {
			return err
		}
	}
	return printPage(p, false, found.Page, func(t table, all []engine.Undelivered) {
		t.row("KIND", "CREATED", "COMPANY", "EVENT", "WEBHOOK", "WHAT", "REASON", "NEXT")
		for _, u := range all {
			t.row(u.Kind, u.CreatedAt, u.Company, u.EventType, u.Webhook, cmp.Or(u.Call, u.Message), why(u), whatNext(u))
		}
	})
}

// mostShown is how many names of a count are shown; --json has all.
const mostShown = 10

func (c *undeliveredCmd) showCounts(t table, found engine.UndeliveredCounts) {
	t.line("%d not delivered", found.Total)
	for _, by := range []struct {
		name   string
		counts []engine.Count
	}{
		{"kind", found.Kinds}, {"reason", found.Reasons}, {"company", found.Companies}, {"webhook", found.Webhooks}, {"event type", found.EventTypes},
	} {
		for _, one := range by.counts[:min(len(by.counts), mostShown)] {
			t.row(by.name, one.Name, one.Count)
		}
		if more := len(by.counts) - mostShown; more > 0 {
			t.line("%s\tand %d more; --json has them", by.name, more)
		}
	}
	for _, kind := range found.Kinds {
		t.field("again", c.allAgain(engine.UndeliveredKind(kind.Name)))
	}
}

// allAgain is the command that says what it would send to whom of all that is of a kind; empty where there is none for it.
func (c *undeliveredCmd) allAgain(kind engine.UndeliveredKind) string {
	out := []string{"posthorn replay --dry-run"}
	switch {
	case c.Company == "" || c.Reason != "" || strings.HasSuffix(c.EventType, "*") || kind == engine.UndeliveredWaiting:
		return "" // a replay cannot ask for exactly these
	case kind == engine.UndeliveredUnmatched:
		out = append(out, "--match")
	default:
		out = append(out, "--same --state", string(kind))
	}
	for _, flag := range []struct{ name, value string }{
		{"company", c.Company}, {"webhook", c.Webhook}, {"event-type", c.EventType}, {"since", given(c.Since)}, {"until", given(c.Until)},
	} {
		if flag.value != "" {
			out = append(out, "--"+flag.name, shellWord(flag.value))
		}
	}
	return strings.Join(out, " ")
}

func given(m moment) string {
	if time.Time(m).IsZero() {
		return ""
	}
	return time.Time(m).UTC().Format(time.RFC3339Nano)
}

// why is the reason with what the receiver last did.
func why(u engine.Undelivered) string {
	switch {
	case u.LastError != "":
		return u.Reason + ": " + cut(u.LastError)
	case u.LastStatus != 0:
		return u.Reason + ": the receiver answered " + status(u.LastStatus)
	}
	return u.Reason
}

// whatNext is what somebody can do about it: a command, where one helps, and nothing where nothing does.
func whatNext(u engine.Undelivered) string {
	of := " --company " + shellWord(u.Company)
	matched := "posthorn replay --match" + of + " --event-type " + u.EventType + " # once a webhook asks for it"
	retry := "posthorn call retry " + u.Call + of
	switch reason := engine.Reason(u.Reason); {
	case u.Kind == engine.UndeliveredWaiting:
		return whatFirst(u, of)
	case u.Kind == engine.UndeliveredUnmatched || reason == core.WebhookIsDeleted:
		return matched
	case reason == core.ErasedPayload || reason == core.ResourceMissing:
		return "" // there is nothing to send
	case reason == core.WebhookIsOff || reason == core.WebhookGone:
		return "posthorn webhook enable " + u.Webhook + of + " && " + retry
	}
	return retry
}

// whatFirst is what has to be done before a waiting call is made, or that nothing has.
func whatFirst(u engine.Undelivered, of string) string {
	switch {
	case u.Reason == engine.WaitsForResume:
		return "posthorn webhook resume " + u.Webhook + of
	case u.Reason == string(core.WebhookIsOff) || u.NextAt == nil:
		return "" // it is about to be cancelled
	}
	return "it is tried by itself, " + stamp(*u.NextAt)
}

// shellWord writes a text so that a shell reads it as one word, whatever a company is called.
func shellWord(text string) string {
	plain := strings.IndexFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.:/@", r)
	}) < 0
	if plain && text != "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
