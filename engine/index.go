package engine

import (
	"container/list"
	"fmt"

	"posthorn/engine/core"
	"posthorn/ports"
)

// maxIndexed bounds the webhooks held in memory: about 400 bytes each.
const maxIndexed = 100_000

// An index holds the webhooks of the companies that were used last, so that matching a message reads nothing. It belongs to the
// writer's goroutine, and follows the batch that is being decided: after a commit that failed it is thrown away.
type index struct {
	companies map[string]*list.Element
	recent    *list.List // of *indexed, the newest in front
	count     int
	most      int
	batch     int // counts the batches
}

type indexed struct {
	company  string
	webhooks []core.Webhook
	changed  int // the newest batch that has changed one
	// listening are those that asked for what the engine announces; heard says that they have been looked for since the last change.
	listening []core.Webhook
	heard     bool
}

func newIndex(most int) *index {
	return &index{companies: map[string]*list.Element{}, recent: list.New(), most: most}
}

// begin says that a batch begins, over a snapshot that holds what the batches before have changed.
func (x *index) begin() { x.batch++ }

// company returns a company's webhooks, oldest first. The slice is the index's own: for reading, until the next change.
func (x *index) company(r ports.Reader, company string) ([]core.Webhook, error) {
	found, err := x.find(r, company)
	if err != nil {
		return nil, err
	}
	return found.webhooks, nil
}

// listening returns those of a company's webhooks that asked for what the engine announces; usually there are none, and many failures
// ask for them.
func (x *index) listening(r ports.Reader, company string) ([]core.Webhook, error) {
	found, err := x.find(r, company)
	if err != nil {
		return nil, err
	}
	if !found.heard {
		found.listening, found.heard = core.Listening(found.webhooks), true
	}
	return found.listening, nil
}

func (x *index) find(r ports.Reader, company string) (*indexed, error) {
	if e, ok := x.companies[company]; ok {
		x.recent.MoveToFront(e)
		return e.Value.(*indexed), nil //nolint:forcetypeassert // the list holds nothing else
	}
	found := &indexed{company: company}
	from, to := core.WebhookRange(company)
	for pair, err := range r.Scan(from, to, false) {
		if err != nil {
			return nil, fmt.Errorf("load webhooks of %s: %w", core.Show(company), err)
		}
		w, _, ok, err := core.ParseWebhook(pair)
		if err != nil {
			return nil, err
		}
		if ok {
			found.webhooks = append(found.webhooks, w)
		}
	}
	x.companies[company] = x.recent.PushFront(found)
	x.count += len(found.webhooks)
	x.evict()
	return found, nil
}

// evict drops the companies used longest ago, but never the newest one, nor one that this batch has changed: loaded again it would be
// as the snapshot has it, and a message would be planned for a webhook that the batch has deleted.
func (x *index) evict() {
	for e := x.recent.Back(); x.count > x.most && e != x.recent.Front(); {
		oldest, newer := e.Value.(*indexed), e.Prev() //nolint:forcetypeassert // the list holds nothing else
		if oldest.changed != x.batch {
			x.recent.Remove(e)
			x.count -= len(oldest.webhooks)
			delete(x.companies, oldest.company)
		}
		e = newer
	}
}

// set takes over a webhook as the batch left it; deleted ones leave the index.
func (x *index) set(company, id string, w core.Webhook, exists bool) {
	e, ok := x.companies[company]
	if !ok {
		return
	}
	held := e.Value.(*indexed) //nolint:forcetypeassert // the list holds nothing else
	held.changed, held.heard = x.batch, false
	for i := range held.webhooks {
		if held.webhooks[i].ID != id {
			continue
		}
		if exists {
			held.webhooks[i] = w
		} else {
			held.webhooks = append(held.webhooks[:i:i], held.webhooks[i+1:]...)
			x.count--
		}
		return
	}
	if exists {
		held.webhooks = append(held.webhooks, w) // ids grow: the newest is the last
		x.count++
	}
}

// forget drops everything.
func (x *index) forget() { *x = *newIndex(x.most) }
