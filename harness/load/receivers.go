package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"posthorn/harness"
)

// receivers are the listeners of a run, and the webhooks that lead to them.
type receivers struct {
	all      []*harness.Receiver
	bases    []string // where the sender reaches them
	webhooks []Webhook
}

// startReceivers begins to listen. They outlive ctx, so that what is under way when a person has had enough is still answered.
func startReceivers(ctx context.Context, o Options, l *ledger) (*receivers, error) {
	r := &receivers{}
	for range o.Receivers {
		one, err := harness.Start(context.WithoutCancel(ctx), harness.Options{
			Listen: o.Listen, HMAC: o.Target.HMAC, ID: o.Target.ID, Keep: -1, DropBodies: true,
			OnDelivery: func(d harness.Delivery) {
				if !isProbe(d) {
					l.arrived(d)
				}
			},
		})
		if err != nil {
			r.close()
			return nil, err
		}
		for i, f := range o.Faults {
			reply := f.Reply
			reply.Keep = true
			reply.When = func(d harness.Delivery) bool { return d.ID != "" && f.strikes(d.Repeat) && l.fault(d.ID) == i }
			one.Reply(reply)
		}
		r.all, r.bases = append(r.all, one), append(r.bases, one.URL())
	}
	return r, nil
}

func (r *receivers) close() {
	for _, one := range r.all {
		_ = one.Close() // always nil
	}
}

// reach opens the tunnel if there is one, and says where the sender is to call. The tunnel, if not nil, is the caller's to close.
func (r *receivers) reach(ctx context.Context, o Options) (*Tunnel, error) {
	if o.Advertise != "" {
		r.bases = []string{strings.TrimRight(o.Advertise, "/")}
	}
	if o.Tunnel == "" {
		return nil, nil
	}
	t, err := OpenTunnel(ctx, o.Tunnel, r.all[0], o.TunnelClient)
	if err == nil {
		r.bases = []string{t.URL}
	}
	return t, err
}

// quiet is how long nothing may come before it is taken that nothing more will, and settleTime bounds the waiting for it.
const (
	quiet      = 250 * time.Millisecond
	settleTime = 2 * time.Second
)

// settle lets what should not come any more arrive: who tells the last message twice does so after all that was waited for is there.
func (r *receivers) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for _, one := range r.all {
		_ = one.AwaitIdle(ctx, quiet) // who hangs stays under way
	}
}

// registering is how many registrations are under way at once, and registerTime bounds each.
const (
	registering  = 8
	registerTime = 30 * time.Second
)

// register makes all webhooks, or only names them if the sender registers none. Those that were made when one fails stay in
// r.webhooks, to be removed. When ctx ends those under way go on: one that is cut off may have been made all the same, and nobody
// would know its id.
func (r *receivers) register(ctx context.Context, o Options, l *ledger) error {
	hooks := make([]Webhook, o.Companies*o.Webhooks)
	made := make([]bool, len(hooks))
	err := each(registering, len(hooks), func(i int) (err error) {
		base := i % len(r.bases)
		company, path := l.company(i/o.Webhooks), fmt.Sprintf("/%s/%d", l.run, i)
		hooks[i] = Webhook{Company: company, URL: r.bases[base] + path}
		if o.Target.Register == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), registerTime)
		defer cancel()
		w, err := o.Target.Register(whole, Subscription{Company: company, URL: hooks[i].URL, Schedule: o.Schedule, Timeout: o.Timeout})
		if err != nil {
			return fmt.Errorf("register webhook %d of %d: %w", i+1, len(hooks), err)
		}
		hooks[i], made[i] = w, true
		if w.Secret == "" {
			return nil
		}
		return r.all[base].Endpoint(path).SetSecret(w.Secret)
	})
	for i, w := range hooks {
		l.know(fmt.Sprintf("/%s/%d", l.run, i), w, i)
		if err == nil || made[i] {
			r.webhooks = append(r.webhooks, w)
		}
	}
	return err
}

// unregister removes what was registered, and names what could not be.
func (r *receivers) unregister(ctx context.Context, remove func(context.Context, Webhook) error) (left []string) {
	var mu sync.Mutex
	_ = each(registering, len(r.webhooks), func(i int) error { // each goes on: the others are to be removed all the same
		if err := remove(ctx, r.webhooks[i]); err != nil {
			mu.Lock()
			defer mu.Unlock()
			left = append(left, fmt.Sprintf("webhook %s of company %s: %v", r.webhooks[i].ID, r.webhooks[i].Company, err))
		}
		return nil
	})
	return left
}

// each does work for 0 to count-1 over so many goroutines, until one fails, and joins them.
func each(goroutines, count int, work func(i int) error) error {
	var (
		mu   sync.Mutex
		next int
		errs []error
		all  sync.WaitGroup
	)
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= count && len(errs) == 0
	}
	for range min(goroutines, count) {
		all.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				if err := work(i); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs[:min(1, len(errs))]...)
}

func (l *ledger) company(i int) string { return fmt.Sprintf("%s-c%d", l.run, i) }

// know notes where webhook number i is called, the sender's name for it, and that it signs.
func (l *ledger) know(path string, w Webhook, i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.paths[path] = i
	l.signed = l.signed || w.Secret != ""
	if w.ID != "" {
		l.hooks[w.ID] = i
	}
}
