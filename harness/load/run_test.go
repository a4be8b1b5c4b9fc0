package load

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A shop is a sender of webhooks in a few lines: it tells each message to all webhooks of its company, signed by Standard Webhooks, up to
// three times with a short wait. It can be told to lose, to repeat or to forge what it sends.
type shop struct {
	client   *http.Client
	wrong    func(n int) string
	patience time.Duration // for one answer
	atOnce   bool          // a trigger is answered when all is told, so that nothing is still to come after the last

	mu      sync.Mutex
	hooks   map[string][]Webhook
	removed []string
	telling sync.WaitGroup
}

const shopSecret = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"

func newShop(t *testing.T, wrong func(n int) string) *shop {
	s := &shop{client: NewClient(64), wrong: wrong, patience: time.Minute, hooks: map[string][]Webhook{}}
	t.Cleanup(func() {
		s.telling.Wait()
		s.client.CloseIdleConnections()
	})
	return s
}

func (s *shop) target() Target {
	return Target{Name: "shop", Register: s.register, Trigger: s.trigger, Unregister: s.unregister}
}

func (s *shop) register(_ context.Context, sub Subscription) (Webhook, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := Webhook{Company: sub.Company, URL: sub.URL, ID: strconv.Itoa(len(s.hooks[sub.Company])), Secret: shopSecret}
	s.hooks[sub.Company] = append(s.hooks[sub.Company], w)
	return w, nil
}

func (s *shop) unregister(ctx context.Context, w Webhook) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.removed = append(s.removed, w.URL)
	return nil
}

func (s *shop) trigger(_ context.Context, m Message) (string, error) {
	s.mu.Lock()
	hooks := s.hooks[m.Company]
	s.mu.Unlock()
	for _, w := range hooks {
		if s.atOnce {
			s.tell(w.URL, m)
		} else {
			s.telling.Go(func() { s.tell(w.URL, m) })
		}
	}
	return "", nil
}

// tell outlives the trigger, as a real sender's work does. It ends by itself: a receiver that has closed refuses it.
func (s *shop) tell(url string, m Message) {
	secret, times := shopSecret, 1
	switch s.wrong(m.N) {
	case "lost":
		return
	case "duplicated":
		times = 2
	case "bad":
		secret = "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXI="
	}
	for range times {
		for range 3 {
			if s.post(url, m, secret) {
				break
			}
			<-time.After(20 * time.Millisecond)
		}
	}
}

func (s *shop) post(url string, m Message, secret string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), s.patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(m.Payload))
	if err != nil {
		return false
	}
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac, now := hmac.New(sha256.New, key), strconv.FormatInt(time.Now().Unix(), 10)
	_, _ = io.WriteString(mac, m.ID+"."+now+"."+m.Payload)
	req.Header.Set("Webhook-Id", m.ID)
	req.Header.Set("Webhook-Timestamp", now)
	req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	res, err := s.client.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode/100 == 2
}

func well(int) string { return "" }

// brief are the options of a run that a test has time for: 200 messages in 200 ms.
func brief(target Target) Options {
	return Options{Target: target, Pace: Pace{Rate: 1000, Duration: 200 * time.Millisecond}, Payload: 50, Seed: 1, Drain: 10 * time.Second}
}

func TestRun(t *testing.T) {
	t.Parallel()
	s := newShop(t, well)
	o := brief(s.target())
	o.Companies, o.Webhooks, o.Receivers = 2, 3, 2
	o.SLO = SLO{{Text: "lost=0", metric: metric{name: "lost", unit: inCount}, op: "="}}
	var phases []Phase
	o.Progress = func(p Progress) { phases = append(phases, p.Phase) }
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK || r.Accepted != 200 || r.Expected != 600 || r.Arrived != 600 || r.Unchecked != 0 || r.Arrival.Count != 600 || len(r.Verdicts) != 5 {
		t.Errorf("%v", r.Verdicts)
	}
	if len(s.removed) != 6 || len(slices.Compact(slices.Sorted(slices.Values(s.removed)))) != 6 {
		t.Errorf("removed %v", s.removed)
	}
	if last := r.Samples[len(r.Samples)-1]; last.Arrived != 600 || last.Due != 200 || last.Backlog != 0 {
		t.Errorf("%+v", last)
	}
	if phases[0] != Registering || phases[len(phases)-1] != Removing {
		t.Errorf("%v", phases)
	}
}

func TestRunNamesWhatTheSenderDidWrong(t *testing.T) {
	t.Parallel()
	wrong := func(n int) string { return map[int]string{17: "lost", 42: "duplicated", 73: "bad"}[n%100] }
	s := newShop(t, wrong)
	s.atOnce = true
	o := brief(s.target())
	o.Drain = time.Millisecond
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for what, n := range map[string]Named{"17": r.Lost, "42": r.Duplicated, "73": r.Bad} {
		want := []string{r.Run + "-00000" + what, r.Run + "-00001" + what}
		if n.Count != 2 || !slices.Equal(n.IDs, want) {
			t.Errorf("%v, want %v", n, want)
		}
	}
	if r.OK || r.Strange.Count != 0 || r.Unfinished.Count != 0 {
		t.Errorf("%v", r.Verdicts)
	}
}

// What is told twice after everything has come is seen, too.
func TestRunSeesTheLastMessageTwice(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(n int) string { return map[int]string{199: "duplicated"}[n] })
	r, err := Run(t.Context(), brief(s.target()))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{r.Run + "-0000199"}; !slices.Equal(r.Duplicated.IDs, want) {
		t.Errorf("%v, want %v", r.Duplicated, want)
	}
}

func TestRunWithFaults(t *testing.T) {
	t.Parallel()
	faults, err := ParseFaults("status=500:20%:2,hang:5%,reset:5%,delay=10ms:10%,status=503:10%:all")
	if err != nil {
		t.Fatal(err)
	}
	s := newShop(t, well)
	s.patience = 2 * time.Second // what hangs is given up
	o := brief(s.target())
	o.Faults, o.Schedule = faults, []time.Duration{time.Second, time.Second} // the shop tries three times
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	deliveries := map[string]int{"status=500:2": 3, "hang": 2, "reset": 2, "delay=10ms": 1, "status=503:all": 3, "none": 1}
	for _, c := range r.Classes {
		confirmed := c.Expected
		if c.Fault == "status=503:all" {
			confirmed = 0
		}
		if c.Expected == 0 || c.Deliveries != deliveries[c.Fault]*c.Expected || c.Confirmed != confirmed || c.Right != c.Expected {
			t.Errorf("%+v", c)
		}
	}
	if !r.OK || len(r.Classes) != len(deliveries) {
		t.Errorf("%v", r.Verdicts)
	}
}

// A sender that gives up too soon leaves messages that no answer confirmed.
func TestRunFindsWhatWasGivenUp(t *testing.T) {
	t.Parallel()
	faults, err := ParseFaults("status=500:10%:4")
	if err != nil {
		t.Fatal(err)
	}
	s := newShop(t, well)
	s.atOnce = true
	o := brief(s.target())
	o.Faults, o.Drain = faults, time.Millisecond
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK || r.Unfinished.Count != r.Classes[0].Expected || r.Lost.Count != 0 || r.Unfinished.Count == 0 {
		t.Errorf("%+v", r.Verdicts)
	}
}

func TestRunInterrupted(t *testing.T) {
	t.Parallel()
	s := newShop(t, well)
	o := brief(s.target())
	o.Pace.Duration = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	trigger := o.Target.Trigger
	o.Target.Trigger = func(ctx context.Context, m Message) (string, error) {
		if m.N == 20 {
			cancel()
		}
		return trigger(ctx, m)
	}
	o.Pace.Rate = 100
	r, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK || !r.Interrupted || r.Accepted < 20 || r.Accepted > 100 || len(s.removed) != 1 {
		t.Errorf("%d accepted, %v removed, %+v", r.Accepted, s.removed, r.Verdicts)
	}
}

// A registration that is under way when the run is interrupted is not cut off: its webhook would stay, and nobody would know its id.
func TestRunInterruptedWhileRegistering(t *testing.T) {
	t.Parallel()
	s := newShop(t, well)
	o := brief(s.target())
	o.Companies = 500
	ctx, cancel := context.WithCancel(t.Context())
	register := o.Target.Register
	o.Target.Register = func(whole context.Context, sub Subscription) (Webhook, error) {
		w, err := register(whole, sub)
		if strings.HasSuffix(sub.Company, "-c9") {
			cancel()
		}
		return w, errors.Join(err, whole.Err()) // as if the answer were cut off
	}
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if made := len(s.hooks); made == 0 || made == 500 || len(s.removed) != made {
		t.Errorf("%d made, %d removed", made, len(s.removed))
	}
	o.Target.Unregister = func(context.Context, Webhook) error { return errors.New("no") }
	o.Target.Register = func(whole context.Context, sub Subscription) (Webhook, error) {
		if strings.HasSuffix(sub.Company, "-c9") {
			return Webhook{}, ErrRefused
		}
		return register(whole, sub)
	}
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "that were made could not be removed, first webhook 0 of company load-") {
		t.Error(err)
	}
}

func TestRunThatCannotBegin(t *testing.T) {
	t.Parallel()
	s := newShop(t, well)
	o := brief(s.target())
	o.Companies = 20
	var mu sync.Mutex
	asked := 0
	register := o.Target.Register
	o.Target.Register = func(ctx context.Context, sub Subscription) (Webhook, error) {
		mu.Lock()
		defer mu.Unlock()
		if asked++; asked == 10 {
			return Webhook{}, fmt.Errorf("no more: %w", ErrRefused)
		}
		return register(ctx, sub)
	}
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "of 20: no more") {
		t.Error(err)
	}
	if made := len(s.hooks); made == 0 || len(s.removed) != made {
		t.Errorf("%d made, %d removed", made, len(s.removed))
	}
	nobody := V1(Server{URL: "http://127.0.0.1:1", HTTP: s.client})
	if _, err := Run(t.Context(), brief(nobody)); !errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Options){
		"rate -1 is refused":            func(o *Options) { o.Pace.Rate = -1 },
		"duration 1s with ramp 2s":      func(o *Options) { o.Pace = Pace{Rate: 1, Duration: time.Second, Ramp: 2 * time.Second} },
		"more than 20000000 deliveries": func(o *Options) { o.Pace = Pace{Rate: 1e6, Duration: time.Hour} },
		"not one message is due":        func(o *Options) { o.Pace = Pace{Rate: 1e-9, Duration: time.Second, Ramp: time.Second} },
		"255 faults are refused":        func(o *Options) { o.Faults = make(Faults, 255) },
		"payload 204801 is refused":     func(o *Options) { o.Payload = MaxPayload + 1 },
		"1000 companies with 101":       func(o *Options) { o.Companies, o.Webhooks = 1000, 101 },
		"2 receivers are refused":       func(o *Options) { o.Receivers, o.Advertise = 2, "http://x" },
		`advertised URL "http://x" is`:  func(o *Options) { o.Tunnel, o.Advertise = "x", "http://x" },
		`advertised URL "x" is refused`: func(o *Options) { o.Advertise = "x" },
		`"http://x?y" is refused`:       func(o *Options) { o.Advertise = "http://x?y" },
	} {
		o := brief(Target{})
		change(&o)
		err := o.Check()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "; ") != 1 {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := (Options{}).Check(); err != nil {
		t.Error(err)
	}
}
