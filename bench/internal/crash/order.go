package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"posthorn/harness"
)

const (
	hooksEach      = 4           // webhooks of a company
	ahead          = 50          // messages of a company that its webhooks may lag behind
	orderedTimeout = time.Second // the least there is: an attempt that hangs keeps its whole lane
)

// orderedSchedule is that of the nth webhook: short, so that kills fall into the waits, and used up by some calls.
func orderedSchedule(n int) []string {
	waits := []string{"50ms", "100ms", "200ms", "300ms"}
	n %= len(waits)
	return slices.Concat(waits[n:], waits[:n])
}

// A hook is a webhook that is told one call after the other, each at a path of its own.
type hook struct{ company, path string }

// ordered is what a sequential run plays: messages to companies, whose webhooks are told in order by receivers that often fail. A nil one plays
// nothing. Its methods may be called from many goroutines at once.
type ordered struct {
	companies []string
	hooks     []hook
	witness   *witness
}

func newOrdered(hooks int, w *witness) *ordered {
	o := &ordered{witness: w}
	for n := range (hooks + hooksEach - 1) / hooksEach {
		o.companies = append(o.companies, "ordered-"+strconv.Itoa(n+1))
	}
	for n := range hooks {
		company := o.companies[n%len(o.companies)]
		o.hooks = append(o.hooks, hook{company, fmt.Sprintf("/%s/%d", company, n/len(o.companies)+1)})
	}
	return o
}

// register makes the webhooks, learns their secrets and scripts the receivers.
func (o *ordered) register(ctx context.Context, a *api) error {
	for n, h := range o.hooks {
		var answer struct {
			Secret     string `json:"secret"`
			Sequential bool   `json:"sequential"`
		}
		err := a.must(ctx, http.MethodPost, companyPath(h.company)+"/webhooks", map[string]any{
			"url": o.witness.receiver.URL() + h.path, "eventTypes": []string{"*"}, "sequential": true,
			"schedule": orderedSchedule(n), "timeout": orderedTimeout.String(),
		}, &answer)
		if err != nil {
			return err
		}
		if !answer.Sequential {
			return fmt.Errorf("webhook %s was asked to be sequential and is not", h.path)
		}
		if err := o.witness.receiver.Endpoint(h.path).SetSecret(answer.Secret); err != nil {
			return err
		}
	}
	o.script()
	return nil
}

// doomed: one call of so many is refused as often as it is tried.
const doomed = 50

// script lets 18 of 100 attempts fail, in each of the ways that an attempt can.
func (o *ordered) script() {
	from := 0
	for _, way := range []struct {
		of100 int
		reply harness.Reply
	}{
		{14, harness.Reply{Status: http.StatusInternalServerError}},
		{3, harness.Reply{Fault: harness.Reset}},
		{1, harness.Reply{Fault: harness.Hang}}, // until the attempt times out
	} {
		first, end := from, from+way.of100
		way.reply.Keep, way.reply.When = true, func(d harness.Delivery) bool {
			n := o.draw(d)
			return n >= first && n < end
		}
		o.witness.receiver.Reply(way.reply)
		from = end
	}
}

// draw decides by message and attempt how a delivery fares: a number below 100, which is the same whenever it is asked for.
func (o *ordered) draw(d harness.Delivery) int {
	at := place{d.Path, d.ID}
	if maphash.Comparable(o.witness.seed, at)%doomed == 0 {
		return 0
	}
	return int(maphash.Comparable(o.witness.seed, struct {
		place
		n int
	}{at, d.Repeat}) % 100)
}

func (o *ordered) company(n int) string { return o.companies[n%len(o.companies)] }

// publish tells a company message n.
func (o *ordered) publish(ctx context.Context, a *api, n int) (status int, answer []byte, err error) {
	return a.ask(ctx, http.MethodPost, companyPath(o.company(n))+"/messages", "message-"+strconv.Itoa(n),
		fmt.Appendf(nil, `{"eventType":"order.placed","data":{"number":%d}}`, n))
}

// calls is how many calls the first messages have at the least.
func (o *ordered) calls(messages int) int { return messages / len(o.companies) * len(o.hooks) }

// burst: room for so many messages comes at once, so that commands meet in one commit, and in one kill.
const burst = 16

// room waits until message n may be published: a backlog is wanted, over all kills, and not one that holds everything from the start.
func (o *ordered) room(ctx context.Context, n int) error {
	if o == nil {
		return nil
	}
	return o.witness.receiver.AwaitUnique(ctx, o.calls(n/burst*burst-ahead*len(o.companies)))
}

// accounts are the receiver's own, of each path, of all that was requested there, in the order of the log.
func (o *ordered) accounts(requested []request) map[string]harness.Account {
	if o == nil {
		return nil
	}
	ids, out := map[string][]string{}, map[string]harness.Account{}
	for _, r := range requested {
		ids[r.path] = append(ids[r.path], r.Message)
	}
	for _, h := range o.hooks {
		out[h.path] = o.witness.receiver.Endpoint(h.path).Account(ids[h.path]...)
	}
	return out
}

// A request is a CallRequested of the log.
type request struct {
	Call    string `json:"call"`
	Company string `json:"company"`
	Message string `json:"message"`
	URL     string `json:"url"`

	seq  uint64
	path string // of URL
}

func (t *testimony) noteRequest(e event) error {
	var r request
	if err := json.Unmarshal(e.Data, &r); err != nil {
		return err
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return err
	}
	r.seq, r.path = e.Seq, u.Path
	t.requested = append(t.requested, r)
	return nil
}
