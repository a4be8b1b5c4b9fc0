package engine_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
)

// beside begins the lines that the model does not foresee.
const beside = "  beside "

// rows writes every row of the store as a line that is the same in every run. What is left out, and why:
//
//   - ids, which are named, and seqs, for which the event at that place stands: with other batches or starts they are others;
//   - digests, for which stands what they are of: the salted content holds ids and times. Verify has compared them;
//   - times below the hour: a crash, or the order within a lane, delays an attempt by seconds. The list is drawn so that every decision
//     about when shows in the hour;
//   - the engine's row but for its being there, and the leases and epochs of attempts: they count starts and repetitions;
//   - the fingerprints of idempotency keys, which are over ids;
//   - the changes of webhooks: a command that is repeated after a crash changes twice. Verify has seen that each is in the log;
//   - since when a webhook fails: of two attempts of one second it depends which is answered first.
func (l *ledger) rows(r ports.Reader) ([]string, error) {
	if err := l.follow(r); err != nil {
		return nil, err
	}
	var out []string
	from, to := core.RowRange()
	for pair, err := range r.Scan(from, to, false) {
		if err != nil {
			return nil, err
		}
		lines, err := l.row(pair)
		if err != nil {
			return nil, err
		}
		out = append(out, lines...)
	}
	for i := range out {
		out[i] = toTheHour(l.named(out[i]))
	}
	slices.Sort(out)
	return out, nil
}

func (l *ledger) row(pair ports.Pair) ([]string, error) {
	switch kind := strings.SplitN(string(pair.Key), "\x00", 3)[1]; kind {
	case "engine":
		return []string{kind}, nil
	case "webhook":
		w, sealed, ok, err := core.ParseWebhook(pair)
		return []string{webhookLine(w, l.digests[sealed.Secrets[0].Digest], !ok)}, err
	case "resource":
		v, created, updated, ok, err := core.ParseResource(pair)
		v.Digest = l.digests[v.Digest]
		return []string{resourceLine(v, created, updated, !ok)}, err
	case "call":
		c, hasData, seqs, err := core.ParseCall(pair)
		out := []string{callLine(c, hasData)}
		for i, seq := range seqs {
			out = append(out, fmt.Sprintf("%scall %s %d: %s", beside, c.ID, i, l.texts[seq]))
		}
		return out, err
	case "due":
		d, err := core.ParseDue(pair.Key, pair.Value)
		return []string{dueLine(d), beside + "due " + d.Call + " since " + l.texts[d.Seq]}, err
	case "idempotency":
		k, until, err := core.ParseKeyRow(pair)
		return []string{keyLine(k, until), fmt.Sprintf("%skey %v: %s", beside, k, l.answers[k])}, err
	case "unmatched":
		m, err := core.ParseUnmatched(pair)
		return []string{unmatchedLine(m)}, err
	case "undelivered":
		company, call, err := core.ParseUndelivered(pair.Key)
		return []string{undeliveredLine(company, call)}, err
	case "again":
		company, message, call, err := core.ParseAgain(pair.Key)
		return []string{againLine(company, message, call)}, err
	case "change":
		_, err := core.ParseChange(pair.Key)
		return nil, err
	case "job":
		j, err := core.ParseJob(pair)
		return []string{"job " + asJSON(j)}, err
	default:
		return []string{fmt.Sprintf("%q = %q", pair.Key, pair.Value)}, nil
	}
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func webhookLine(w engine.Webhook, digest string, deleted bool) string {
	w.Failing = nil
	return fmt.Sprintf("webhook %s deleted=%t secret=%s %s", w.ID, deleted, digest, asJSON(w))
}

func resourceLine(v core.ResourceVersion, created, updated time.Time, deleted bool) string {
	return fmt.Sprintf("resource %s deleted=%t created=%s updated=%s %s",
		v.ID, deleted, created.Format(time.RFC3339), updated.Format(time.RFC3339), asJSON(v))
}

func callLine(c engine.Call, hasData bool) string {
	return fmt.Sprintf("call %s data=%t %s", c.ID, hasData, asJSON(c))
}

func dueLine(d core.Due) string {
	return fmt.Sprintf("due %s at %s of %s to %s", d.Call, d.At.UTC().Format(time.RFC3339), d.Company, d.Webhook)
}

func unmatchedLine(m core.Unmatched) string {
	return fmt.Sprintf("unmatched %s at %s %s", m.Message, m.CreatedAt.UTC().Format(time.RFC3339), asJSON(m.MessageRef))
}

func undeliveredLine(company, call string) string { return "undelivered " + call + " of " + company }

func againLine(company, message, call string) string {
	return "again " + message + " by " + call + " of " + company
}

func keyLine(k core.UsedKey, until time.Time) string {
	return fmt.Sprintf("key %v until %s", k, until.UTC().Format(time.RFC3339))
}

var (
	anID     = regexp.MustCompile(`(eng|wh|msg|call|cand)_[0-9A-HJKMNP-TV-Z]{26}`)
	aTime    = regexp.MustCompile(`(\d{4}-\d\d-\d\dT\d\d):\d\d:\d\d(\.\d+)?Z`)
	aDigest  = regexp.MustCompile(`"[0-9a-f]{32}"`)
	inVaults = regexp.MustCompile(`^response/.*`)
)

// named puts names for the ids and digests in a text.
func (l *ledger) named(text string) string {
	text = aDigest.ReplaceAllStringFunc(text, func(digest string) string {
		return `"` + inVaults.ReplaceAllString(l.digests[strings.Trim(digest, `"`)], "a response") + `"`
	})
	return anID.ReplaceAllStringFunc(text, func(id string) string {
		if name, ok := l.names[id]; ok {
			return name
		}
		return id
	})
}

func toTheHour(text string) string { return aTime.ReplaceAllString(text, "$1") }
