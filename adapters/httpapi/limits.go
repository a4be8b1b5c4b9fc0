package httpapi

import (
	"maps"
	"math"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limits hold each key to its rate. A key may send a second's requests at once.
type limits struct {
	mu    sync.Mutex
	byKey map[string]*rate.Limiter
}

// maxLimits is how many keys are remembered at once; a limiter takes some 100 bytes.
const maxLimits = 4096

// refuses returns the refusal of a request that comes too soon, nil of one in time.
func (l *limits) refuses(a Access, now time.Time) *problem {
	if a.Rate <= 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.of(a, now).ReserveN(now, 1)
	wait := taken.DelayFrom(now)
	if wait <= 0 {
		return nil
	}
	taken.CancelAt(now)
	p := refusal(http.StatusTooManyRequests, codeRate,
		"the request is refused: its key may send %v a second, and has sent more; send it again after the time in Retry-After", a.Rate)
	p.retryAfter = int(math.Ceil(wait.Seconds()))
	return p
}

func (l *limits) of(a Access, now time.Time) *rate.Limiter {
	if known, ok := l.byKey[a.Key]; ok && known.Limit() == rate.Limit(a.Rate) {
		return known
	}
	if len(l.byKey) >= maxLimits {
		l.forget(now)
	}
	if l.byKey == nil {
		l.byKey = map[string]*rate.Limiter{}
	}
	made := rate.NewLimiter(rate.Limit(a.Rate), max(1, int(math.Ceil(a.Rate))))
	l.byKey[a.Key] = made
	return made
}

// forget makes room: by the keys that have been silent, whose limiters are as new ones, or else by all.
func (l *limits) forget(now time.Time) {
	maps.DeleteFunc(l.byKey, func(_ string, known *rate.Limiter) bool { return known.TokensAt(now) >= float64(known.Burst()) })
	if len(l.byKey) >= maxLimits {
		clear(l.byKey)
	}
}
