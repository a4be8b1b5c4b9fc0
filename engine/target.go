package engine

import (
	"errors"
	"time"

	"golang.org/x/time/rate"

	"posthorn/engine/core"
	"posthorn/ports"
)

// A target is what attempts need of a webhook, and what its lane has to keep to.
type target struct {
	url     string
	timeout time.Duration
	secrets []signingSecret // the newest first
	headers map[string]string

	inFlight int
	rate     float64
	guarded  bool          // has a breaker
	breaker  *core.Breaker // as its row has it
}

// errHeld says that a call is not to be attempted now: its webhook is paused, or its breaker is open.
var errHeld = errors.New("the call waits")

// target reads the webhook of a flight's lane once, and again after a change.
func (p *pump) target(r ports.Reader, f *flight) (target, error) {
	known, change := p.lanes.target(f.lane)
	if known != nil {
		return *known, nil
	}
	w, err := readWebhook(r, p.wire.sealer, f.lane.company, f.lane.webhook)
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return target{}, errEnded // deleted: a job cancels its calls, which is not for want of content
	case err != nil:
		return target{}, err
	case !w.Enabled:
		return target{}, errEnded // its calls are being cancelled
	case w.Paused:
		p.lanes.shelve(f.lane, change)
		return target{}, errHeld
	}
	t := target{
		url: w.URL, timeout: time.Duration(w.Timeout), secrets: w.secrets, headers: w.headers,
		inFlight: w.InFlight, rate: w.Rate, guarded: !w.Seed && !p.noBreaker, breaker: w.Breaker,
	}
	if !p.lanes.keepTarget(f, t, change) {
		return target{}, errHeld
	}
	return t, nil
}

// target returns what is known of a lane's webhook, nil for nothing, and which change of it that belongs to.
func (ls *lanes) target(l *lane) (*target, int) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return l.target, l.change
}

// keepTarget keeps what a snapshot held, unless the webhook has been changed since, and lets the lane go on by it. It tells whether the
// flight may.
func (ls *lanes) keepTarget(f *flight, t target, change int) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := f.lane
	reads := f.reads
	if reads {
		l.reading, f.reads = false, false
	}
	if l.change == change && !l.closed {
		l.target = &t
		l.heed(t, ls.now())
	}
	ls.settle(l, ls.now())
	return !reads || l.charge(f, time.Now())
}

// heed gives a lane the policy of its webhook.
func (l *lane) heed(t target, now time.Time) {
	l.most = maxFlights
	if t.inFlight > 0 {
		l.most = min(t.inFlight, maxFlights)
	}
	l.limit = min(l.limit, l.most)
	l.pacing(t.rate)
	if l.guarded = t.guarded; !l.guarded {
		l.breaker = nil
	} else if l.unproved && t.breaker != nil {
		l.breaker = restored(*t.breaker, t.breaker.Until.Time().Sub(now), time.Now())
	}
	l.unproved = false
}

// burstPart is the part of a second's attempts that may be made at once: what a lane saves up while it waits for others, no more. So a
// second sees at most the rate, a twentieth of it and one more.
const burstPart = 20

// pacing limits the attempts of a second, 0 for no limit. A limiter keeps what it has counted when its rate is changed, and a new one has
// saved up nothing, so that no change gives a burst.
func (l *lane) pacing(perSecond float64) {
	if perSecond <= 0 {
		l.limiter = nil
		return
	}
	now, burst := time.Now(), 1+int(perSecond/burstPart)
	if l.limiter == nil {
		l.limiter = rate.NewLimiter(rate.Limit(perSecond), burst)
		l.limiter.AllowN(now, burst-1)
		return
	}
	l.limiter.SetLimitAt(now, rate.Limit(perSecond))
	l.limiter.SetBurstAt(now, burst)
}

// shelve closes the lane of a webhook that is found paused, unless it has been changed since: its rows stay due, and it is opened when
// the webhook is resumed.
func (ls *lanes) shelve(l *lane, change int) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l.change == change {
		ls.close(l)
		l.paused = true
	}
}

// handBack ends the flight of a call that waits, and puts it back where it was.
func (ls *lanes) handBack(f *flight) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.requeue(f)
	ls.unpark(ls.now())
	ls.nudge()
}
