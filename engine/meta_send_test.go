package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"posthorn/engine"
	"posthorn/engine/core"
	"posthorn/ports"
)

// settle waits until nothing moves, over a crash too.
func (r *run) settle() {
	synctest.Wait()
	r.recover()
}

func (r *run) pass(d time.Duration) { r.until(time.Now().Add(d)) }

// until lets time pass. An engine that crashes meanwhile is started again at once.
func (r *run) until(at time.Time) {
	for {
		timer := time.NewTimer(time.Until(at))
		select {
		case <-timer.C:
			r.settle()
			return
		case <-r.Failed():
			timer.Stop()
			r.recover()
		}
	}
}

func resultOf(s step, batch int, c command) string {
	return fmt.Sprintf("step %d.%d: %s", s.number, batch, c)
}

// An asked is one sending of a command, and how it was answered.
type asked struct {
	command

	made int // what the ledger counted of it before
	id   string
	err  error
}

// send sends the commands of a batch, as many at once as the setting has workers, and waits until nothing moves. A command whose answer
// a crash has swallowed is sent again, unless it has no key and was stored, as its sender sees by looking.
func (r *run) send(s step, batch int, commands []command) {
	var all []*asked
	for _, c := range commands {
		for range max(1, c.copies) {
			all = append(all, &asked{command: c, made: r.made(c)})
		}
	}
	sent := all
	for len(all) > 0 {
		n := 1 // of those to be sent at once
		if r.setting.workers > 1 && !all[0].rush {
			n = len(all)
		}
		r.ask(all[:n])
		all = all[n:]
	}
	answers := map[string][]string{}
	r.mu.Lock()
	for _, a := range sent {
		answers[resultOf(s, batch, a.command)] = append(answers[resultOf(s, batch, a.command)], r.ledger.result(a))
	}
	r.mu.Unlock()
	for what, got := range answers {
		r.results[what] = joined(got)
	}
}

// joined is the answer to all copies of a command; empty where one was lost, for that may have been the one that differed.
func joined(answers []string) string {
	slices.Sort(answers)
	if answers[0] == "" {
		return ""
	}
	return strings.Join(slices.Compact(answers), " and ")
}

// ask sends commands at once, and those again that a crash left without an answer.
func (r *run) ask(all []*asked) {
	var workers sync.WaitGroup
	for _, a := range all {
		workers.Go(func() { a.id, a.err = r.do(a.command) })
	}
	workers.Wait()
	if all[0].rush && !all[0].lost() {
		return
	}
	r.settle()
	r.follow()
	for _, a := range all {
		if !a.lost() {
			continue
		}
		if a.key == "" && r.made(a.command) > a.made {
			a.err = errLost
			continue
		}
		if a.id, a.err = r.do(a.command); a.key == "" {
			a.err = errLost // it may have been stored before
		}
		r.settle()
	}
	r.follow()
}

func (a *asked) lost() bool {
	return errors.Is(a.err, ports.ErrUnknownOutcome) || errors.Is(a.err, ports.ErrClosed)
}

// errLost says that an answer was lost.
var errLost = errors.New("the answer was lost in a crash")

func (r *run) follow() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.store.View(context.Background(), r.ledger.follow); err != nil {
		r.problem("follow the log: %v", err)
	}
}

// made counts what a command makes: its sender can see whether it was stored. Commands that change to what they name count nothing:
// sent twice they change the same.
func (r *run) made(c command) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch c.verb {
	case "register", "publish":
		return r.ledger.made[c.tag]
	case "create", "edit", "apply", "state", "remove":
		return r.ledger.versions[c.tag]
	case "retry":
		return len(r.ledger.calls[c.name()])
	}
	return 0
}

// result says how a command was answered, as the model says it; empty where the answer was lost.
func (l *ledger) result(a *asked) string {
	var bad *engine.InvalidError
	switch {
	case errors.Is(a.err, errLost):
		return ""
	case errors.Is(a.err, ports.ErrNotFound):
		return notFound
	case errors.Is(a.err, ports.ErrConflict):
		return conflict
	case errors.As(a.err, &bad):
		return invalid
	case a.err != nil:
		return a.err.Error()
	case a.id == "":
		return "done"
	}
	return l.named(a.id)
}

// id returns the id of a name, and for what there is not one that nothing has.
func (r *run) id(prefix, name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id, ok := r.ledger.ids[name]; ok {
		return id
	}
	return prefix + name
}

func urlOf(c command) string {
	if c.bad {
		return "ftp://receiver.example/"
	}
	return "https://receiver.example/" + c.tag + "?" + c.text
}

// do sends one command and returns the id of what it made or changed.
func (r *run) do(c command) (string, error) {
	ctx := context.Background()
	switch c.verb {
	case "register":
		w, err := r.RegisterWebhook(ctx, engine.NewWebhook{
			Company: c.company, URL: urlOf(c), EventTypes: c.types, Description: c.tag, Schedule: r.scheduleOf(c), Seed: c.seed, IdempotencyKey: c.key,
		})
		return w.ID, err
	case "publish":
		m, err := r.Publish(ctx, r.message(c))
		return m.ID, err
	case "create":
		n := engine.NewCandidate{Company: c.company, Email: c.tag + "@example.com", FirstName: "Ada", LastName: "Lovelace", IdempotencyKey: c.key}
		if c.bad {
			n.LastName = ""
		}
		made, err := r.CreateCandidate(ctx, n)
		return made.ID, err
	case "edit", "apply", "state", "remove":
		return r.edit(ctx, c)
	case "retry", "cancel":
		return r.byHand(ctx, c)
	default:
		return r.change(ctx, c)
	}
}

func (r *run) scheduleOf(c command) []time.Duration {
	if c.schedule == nil {
		return nil
	}
	return r.list.asked(c.schedule)
}

func (r *run) message(c command) engine.NewMessage {
	data, _ := json.Marshal(map[string]string{"tag": c.tag})
	m := engine.NewMessage{Company: c.company, EventType: c.eventType, Data: data, IdempotencyKey: c.key}
	if c.resource != "" {
		m.ResourceType, m.ResourceID = core.CandidateType, r.id(core.PrefixCandidate, c.resource)
	}
	if c.bad {
		m.EventType = "not a type"
	}
	return m
}

func (r *run) change(ctx context.Context, c command) (string, error) {
	id := r.id(core.PrefixWebhook, c.tag)
	var w engine.Webhook
	var err error
	switch c.verb {
	case "enable":
		w, err = r.EnableWebhook(ctx, c.company, id)
	case "disable":
		w, err = r.DisableWebhook(ctx, c.company, id)
	case "delete":
		err = r.DeleteWebhook(ctx, c.company, id)
	case "rotate":
		var rotated engine.Registered
		// Without overlap, for it may be sent again after a crash: the secret that the first one made would sign for the overlap.
		rotated, err = r.RotateSecret(ctx, engine.Rotation{Company: c.company, ID: id, Overlap: new(time.Duration(0))})
		w = rotated.Webhook
	case "update":
		edit := engine.WebhookEdit{Company: c.company, ID: id, EventTypes: c.types, Schedule: r.scheduleOf(c)}
		if c.text != "" || c.bad {
			edit.URL = new(urlOf(c))
		}
		w, err = r.UpdateWebhook(ctx, edit)
	}
	return w.ID, err
}

func (r *run) edit(ctx context.Context, c command) (string, error) {
	id := r.id(core.PrefixCandidate, c.tag)
	var n engine.Candidate
	var err error
	switch c.verb {
	case "edit":
		fields := map[string]any{}
		if !c.bad {
			fields["location"] = c.text
		}
		n, err = r.UpdateCandidate(ctx, c.company, id, fields)
	case "apply":
		n, err = r.ApplyForJob(ctx, c.company, id, c.text)
	case "state":
		n, err = r.ChangeCandidateState(ctx, c.company, id, c.text)
	case "remove":
		err = r.DeleteCandidate(ctx, c.company, id)
	}
	return n.ID, err
}

// byHand names the newest call of its message for its webhook, half of the time without the company.
func (r *run) byHand(ctx context.Context, c command) (string, error) {
	r.mu.Lock()
	newest := c.name()
	newest = numbered(newest, max(1, len(r.ledger.calls[newest])))
	r.mu.Unlock()
	id := r.id(core.PrefixCall, newest)
	var call engine.Call
	var err error
	switch alone := len(c.message)%2 == 0; {
	case c.verb == "retry" && alone:
		call, err = r.Retry(ctx, id)
	case c.verb == "retry":
		call, err = r.RetryCall(ctx, c.company, id)
	case alone:
		call, err = r.Cancel(ctx, id)
	default:
		call, err = r.CancelCall(ctx, c.company, id)
	}
	return call.ID, err
}
