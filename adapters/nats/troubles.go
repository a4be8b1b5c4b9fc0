package nats

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
)

// Troubles are what keeps topics from working while the broker is there. The zero value has none.
type troubles struct {
	mu   sync.Mutex
	open map[string]error // by topic
}

// note keeps what came of the last try with a topic, and says whether that is news.
func (t *troubles) note(topic string, err error) (news bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	former := t.open[topic]
	if err == nil {
		delete(t.open, topic)
		return former != nil
	}
	if t.open == nil {
		t.open = map[string]error{}
	}
	t.open[topic] = err
	return former == nil || former.Error() != err.Error()
}

// topics returns those that do not work, in order.
func (t *troubles) topics() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Sorted(maps.Keys(t.open))
}

func (t *troubles) of(topic string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open[topic]
}

// tell notes what came of a try, and logs it when it is news. The link tells of lost connections, and a caller that gave up tells nothing.
func (t *Transport) tell(in *troubles, what, topic string, err error) {
	if errors.Is(err, context.Canceled) || err != nil && !t.link.isUp() || !in.note(topic, err) {
		return
	}
	if err == nil {
		t.log.Info("nats: works again", "what", what, "topic", topic)
		return
	}
	t.log.Warn("nats: does not work; it is tried again all the time", "what", what, "topic", topic, "error", err)
}
