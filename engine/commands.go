package engine

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"posthorn/engine/core"
)

// The routes that idempotency keys are scoped to.
const (
	routeWebhooks   = "webhooks"
	routeCandidates = "candidates"
	routeMessages   = "messages"
)

// Publish accepts a message: when it returns nil, the message and the plan of all its calls are on disk. It returns an
// InvalidError, ErrOverloaded or ErrDiskLow with nothing stored.
func (e *Engine) Publish(ctx context.Context, n NewMessage) (Message, error) {
	return e.publish(ctx, routeMessages, n)
}

func (e *Engine) publish(ctx context.Context, route string, n NewMessage) (Message, error) {
	n, err := n.Check()
	if err != nil {
		return Message{}, err
	}
	var out Message
	use := keyUse{company: n.Company, route: route, key: n.IdempotencyKey, content: n}
	err = e.judged(ctx, func(v core.Verdicts) error {
		return e.once(ctx, use, len(n.Data)+512, &out, func(b *batch) (core.Decision, error) {
			routing, err := b.routing(n.Company, v)
			if err != nil {
				return core.Decision{}, err
			}
			var d core.Decision
			d, out, err = core.Publish(b.State, b, b.now, n, routing)
			return d, err
		})
	})
	return handOut(&out, err, "publish", n.EventType)
}

// RetryCall makes a new call of one that has ended, with the same message id. It returns ErrNotFound, or ErrConflict while the call
// is open or its webhook cannot be called.
func (e *Engine) RetryCall(ctx context.Context, company, id string) (Call, error) {
	var out Call
	err := e.writer.accept(ctx, 512, func(b *batch) (d core.Decision, err error) {
		d, out, err = core.RetryCall(b.State, b, b.now, company, id)
		return d, err
	})
	return handOut(&out, err, "retry call", id)
}

// CancelCall ends an open call. It returns ErrNotFound, or ErrConflict when it has ended.
func (e *Engine) CancelCall(ctx context.Context, company, id string) (Call, error) {
	var out Call
	err := e.writer.accept(ctx, 256, func(b *batch) (d core.Decision, err error) {
		d, out, err = core.CancelCall(b.State, b.now, company, id)
		return d, err
	})
	return handOut(&out, err, "cancel call", id)
}

// Retry is RetryCall for who knows the call's id alone.
func (e *Engine) Retry(ctx context.Context, id string) (Call, error) {
	company, err := e.companyOf(ctx, id)
	if err != nil {
		return Call{}, named(err, "call", id)
	}
	return e.RetryCall(ctx, company, id)
}

// Cancel is CancelCall for who knows the call's id alone.
func (e *Engine) Cancel(ctx context.Context, id string) (Call, error) {
	company, err := e.companyOf(ctx, id)
	if err != nil {
		return Call{}, named(err, "call", id)
	}
	return e.CancelCall(ctx, company, id)
}

// A keyUse is a command's use of an idempotency key: content is what the key stands for.
type keyUse struct {
	company, route, key string
	content             any
}

// once runs a command that makes something. With an idempotency key its answer is kept in the change set that it guards, and given again
// for the same content.
func (e *Engine) once(ctx context.Context, use keyUse, size int, answer any, decide func(*batch) (core.Decision, error)) error {
	if use.key == "" {
		return e.writer.accept(ctx, size, decide)
	}
	fingerprint, err := e.fingerprint(use.content)
	if err != nil {
		return err
	}
	return e.writer.accept(ctx, size, func(b *batch) (core.Decision, error) {
		k := core.UsedKey{Company: use.company, Route: use.route, Key: use.key}
		past, found, err := core.PastAnswer(b.State, b.now, k, fingerprint)
		if err != nil {
			return core.Decision{}, err
		}
		if found {
			return core.Decision{}, json.Unmarshal([]byte(past), answer)
		}
		d, err := decide(b)
		if err != nil {
			return core.Decision{}, err
		}
		kept, err := json.Marshal(answer)
		if err != nil {
			return core.Decision{}, err
		}
		d.Events = append(d.Events, core.KeyUsed{
			Company: k.Company, Route: k.Route, Key: k.Key, Fingerprint: fingerprint, Answer: string(kept),
		})
		return d, nil
	})
}

// fingerprint stands for a command's content in the log. It is keyed, so that nobody can try out what the content was.
func (e *Engine) fingerprint(content any) (string, error) {
	data, err := json.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("fingerprint: %w", err)
	}
	mac := hmac.New(sha256.New, e.masterRing.own)
	mac.Write(data)
	return hex.EncodeToString(mac.Sum(nil)[:16]), nil
}

func wrap(err error, verb, id string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", verb, core.Show(id), err)
}

// handOut gives what a decision has written, unless there is an error: a caller that gave up must not look at what the writer may be
// about to write.
func handOut[T any](out *T, err error, verb, id string) (T, error) {
	if err != nil {
		var none T
		return none, wrap(err, verb, id)
	}
	return *out, nil
}
