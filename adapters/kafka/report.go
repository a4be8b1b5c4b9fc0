package kafka

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A reporter logs a trouble when it begins and when it has ended, and not in between, however often it is met.
type reporter struct {
	log *slog.Logger

	mu       sync.Mutex
	troubles map[string]bool // by what is in trouble
}

var (
	_ kgo.HookBrokerConnect    = (*reporter)(nil)
	_ kgo.HookGroupManageError = (*reporter)(nil)
)

func newReporter(log *slog.Logger) *reporter {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &reporter{log: log, troubles: map[string]bool{}}
}

// tell notes how what is now. That somebody does not want to know any more says nothing about it.
func (r *reporter) tell(what string, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	r.mu.Lock()
	before := r.troubles[what]
	r.troubles[what] = err != nil
	r.mu.Unlock()
	switch {
	case err != nil && !before:
		r.log.Warn("kafka: "+what+" is in trouble; trying again", "error", err)
	case err == nil && before:
		r.log.Info("kafka: " + what + " is well again")
	}
}

// OnBrokerConnect implements [kgo.HookBrokerConnect].
func (r *reporter) OnBrokerConnect(b kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	r.tell("broker "+net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))), err)
}

// OnGroupManageError implements [kgo.HookGroupManageError]. The client joins the group again by itself; what keeps it from that is told
// by its connections, so this is for those who look closer.
func (r *reporter) OnGroupManageError(err error) {
	r.log.Debug("kafka: left a consumer group", "error", err)
}
