package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// The work of a masterRing behind live traffic.

// stepWebhooks is how many webhooks one step of the job looks at: each has at most 8 secrets, and 4 KiB of headers.
const stepWebhooks = 16

// step seals the next webhooks under the newest key, or ends the job behind the last.
func (m *masterRing) step(ctx context.Context) error {
	found, last, err := m.next(ctx, m.after, func(ports.Pair) (bool, error) { return true, nil })
	if err != nil {
		return err
	}
	if err := m.reseal(ctx, found); err != nil {
		return err
	}
	if m.after = last; last != nil {
		return nil
	}
	return m.end(ctx)
}

// end takes the older keys off the mark, in the commit that ends the job, and then out of the ring.
func (m *masterRing) end(ctx context.Context) error {
	m.turns.Lock()
	defer m.turns.Unlock()
	err := m.submit(ctx, &command{
		mark:   markOf(m.own, m.withNewest(nil)),
		decide: func(b *batch) (core.Decision, error) { return core.EndReseal(b.State) },
	})
	if err != nil {
		return err
	}
	return m.dropOld()
}

// retire erases secrets that sign no more.
func (m *masterRing) retire(ctx context.Context, now time.Time) error {
	for from := []byte(nil); ; {
		found, last, err := m.next(ctx, from, func(pair ports.Pair) (bool, error) { return core.Retires(pair, now) })
		if err == nil {
			err = m.reseal(ctx, found)
		}
		if from = last; err != nil || last == nil {
			return err
		}
	}
}

// next returns wanted webhooks after a row, and the last of them; nil when there are no more.
func (m *masterRing) next(ctx context.Context, after []byte, wanted func(ports.Pair) (bool, error)) (found []core.WebhookRef, last []byte, err error) {
	from, to := core.WebhooksRange()
	if after != nil {
		from = append(slices.Clone(after), 0)
	}
	err = m.store.View(ctx, func(r ports.Reader) error {
		for pair, err := range r.Scan(from, to, false) {
			if err != nil {
				return err
			}
			w, _, _, err := core.ParseWebhook(pair)
			if err != nil {
				return err
			}
			switch ok, err := wanted(pair); {
			case err != nil:
				return err
			case ok:
				found = append(found, core.WebhookRef{Company: w.Company, Webhook: w.ID})
			}
			if len(found) == stepWebhooks {
				last = slices.Clone(pair.Key)
				return nil
			}
		}
		return nil
	})
	return found, last, err
}

func (m *masterRing) reseal(ctx context.Context, webhooks []core.WebhookRef) error {
	if len(webhooks) == 0 {
		return nil
	}
	return m.submit(ctx, &command{decide: func(b *batch) (core.Decision, error) {
		return core.ResealWebhooks(b.State, b, b.now, webhooks, resealer{m.sealer, b})
	}})
}

// A resealer opens what a batch holds under any key of the ring, and closes it under the newest.
type resealer struct {
	sealer sealer
	batch  *batch
}

// ResealSecret is as core.Resealer says.
func (r resealer) ResealSecret(webhook string, item core.SealedItem) ([]byte, error) {
	return r.reseal(item, secretPurpose(webhook))
}

// ResealHeaders is as core.Resealer says.
func (r resealer) ResealHeaders(webhook string, item core.SealedItem) ([]byte, error) {
	return r.reseal(item, headersPurpose(webhook))
}

func (r resealer) reseal(item core.SealedItem, purpose string) ([]byte, error) {
	value, ok := r.batch.kept[string(item.Key)]
	if !ok {
		var err error
		if value, err = r.batch.reader.Get(item.Key); err != nil {
			return nil, fmt.Errorf("read what is sealed for %s: %w", purpose, err)
		}
	}
	sealed, err := core.OpenVaultItem(value, item.Digest)
	if err != nil {
		return nil, err
	}
	data, by, err := r.sealer.openStored(purpose, sealed)
	if err != nil {
		return nil, fmt.Errorf("what is sealed for %s %w", purpose, err)
	}
	newest := r.sealer.newest()
	if by.key == newest.key {
		return nil, nil
	}
	return newest.seal(purpose, data), nil
}
