package load

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options say what a run does. Target.Trigger is needed; everything else has a default.
type Options struct {
	Target Target

	// Pace says when messages are triggered. A zero Rate means 100 a second, a zero Duration 10 s.
	Pace Pace
	// Companies and Webhooks, of each company, are how many are registered; zero means 1. Receivers is over how many addresses the webhooks
	// are spread; zero means 1, which it must be if Advertise or Tunnel is given.
	Companies, Webhooks, Receivers int
	// Payload is how many bytes of meaningless text each message carries; at most MaxPayload.
	Payload int
	// Faults are how the receivers misbehave. Which messages they strike follows from Seed, as do the payloads.
	Faults Faults
	Seed   uint64
	// Schedule and Timeout are what webhooks are registered with; see Subscription. With a Schedule the run knows how many attempts a
	// call has before it fails.
	Schedule []time.Duration
	Timeout  time.Duration
	// SLO is demanded of the result.
	SLO SLO

	// Connections is how many triggers may be under way at once; zero means 256. A trigger may take TriggerTimeout, 30 s if zero.
	Connections    int
	TriggerTimeout time.Duration
	// Drain is how long a sender may stand still when all is triggered and something is still to come: when not one more message has come
	// to its end for so long, the run gives up. Zero means 30 s. It should be longer than the longest wait between two attempts.
	Drain time.Duration

	// Listen is the address that the first receiver listens on; empty means a free port of the loopback.
	Listen string
	// Advertise is the URL at which the sender reaches the receiver, if it is another than where it listens.
	Advertise string
	// Tunnel is a shell command that makes the receiver reachable and prints the https URL for it; see [OpenTunnel].
	Tunnel string
	// TunnelClient asks whether the tunnel leads here; nil means http.DefaultClient.
	TunnelClient *http.Client

	// Progress, if not nil, is called about once a second, from one goroutine at a time.
	Progress func(Progress)
}

// MaxPayload is the longest payload: with it a message stays under the half MiB that a Posthorn server takes.
const MaxPayload = 200 << 10

// maxFaults is how many fit into a byte, with one for none.
const maxFaults = 254

// maxPairs is how many messages times webhooks a run can follow: with one webhook each costs about 180 bytes (measured at a million).
const maxPairs = 20_000_000

func (o Options) withDefaults() Options {
	o.Pace.Rate = cmp.Or(o.Pace.Rate, 100)
	o.Pace.Duration = cmp.Or(o.Pace.Duration, 10*time.Second)
	o.Companies, o.Webhooks, o.Receivers = max(o.Companies, 1), max(o.Webhooks, 1), max(o.Receivers, 1)
	o.Connections = cmp.Or(o.Connections, 256)
	o.TriggerTimeout = cmp.Or(o.TriggerTimeout, 30*time.Second)
	o.Drain = cmp.Or(o.Drain, 30*time.Second)
	if o.TunnelClient == nil {
		o.TunnelClient = http.DefaultClient
	}
	return o
}

// Check returns why a run cannot be as the options say, in the three parts of every error text; nil if it can.
func (o Options) Check() error {
	o = o.withDefaults()
	switch p := o.Pace; {
	case !(p.Rate > 0) || p.Rate > 1e6:
		return fmt.Errorf("rate %g is refused: it is above 0 and at most 1,000,000 messages a second; change it", p.Rate)
	case p.Duration <= 0 || p.Ramp < 0 || p.Ramp > p.Duration:
		return fmt.Errorf("duration %v with ramp %v is refused: the ramp is the first part of the duration; make it shorter", p.Duration, p.Ramp)
	case p.Rate*p.Duration.Seconds()*float64(o.Webhooks) > maxPairs:
		return fmt.Errorf("rate %g for %v with %d webhooks is refused: it is more than %d deliveries, which are all held in memory; make it shorter",
			p.Rate, p.Duration, o.Webhooks, maxPairs)
	case p.Total() == 0:
		return fmt.Errorf("rate %g for %v is refused: not one message is due in it; make it longer", p.Rate, p.Duration)
	}
	switch {
	case len(o.Faults) > maxFaults:
		return fmt.Errorf("%d faults are refused: at most %d are told apart; leave some out", len(o.Faults), maxFaults)
	case o.Payload < 0 || o.Payload > MaxPayload:
		return fmt.Errorf("payload %d is refused: it is 0 to %d bytes; change it", o.Payload, MaxPayload)
	case o.Companies*o.Webhooks > 100_000:
		return fmt.Errorf("%d companies with %d webhooks are refused: a run registers at most 100,000; lower one", o.Companies, o.Webhooks)
	case o.Receivers > 1000 || o.Receivers > 1 && (o.Advertise != "" || o.Tunnel != "" || o.Listen != ""):
		return fmt.Errorf("%d receivers are refused: at most 1,000, and only one behind an address that is given; lower it", o.Receivers)
	case o.Advertise != "" && o.Tunnel != "":
		return fmt.Errorf("advertised URL %q is refused: the tunnel prints one, too; leave one of them out", o.Advertise)
	}
	return checkBase(o.Advertise)
}

func checkBase(base string) error {
	u, err := url.Parse(base)
	if base != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "") {
		return fmt.Errorf("advertised URL %.100q is refused: it is no http or https URL of a receiver; give one like https://hooks.example", base)
	}
	return nil
}

// attempts is how many a call has at the most, 0 if that is not known.
func (o Options) attempts() int {
	if o.Target.Register == nil || o.Schedule == nil {
		return 0
	}
	return len(o.Schedule) + 1
}

// runName is new in every run, so that no id, company or path is one of an earlier run.
func runName() string { return "load-" + strings.ToLower(rand.Text()[:8]) }
