package load

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"posthorn/harness"
)

// A Fault is one way in which the receivers misbehave, and how often.
type Fault struct {
	// Reply is done in place of an answer at once.
	Reply harness.Reply
	// Share is how many of the messages it strikes, above 0 and at most 1. Which ones follows from the seed and the message.
	Share float64
	// Attempts is how many deliveries of a message are struck before it is answered as it should be; 0 strikes all.
	Attempts int
}

// Faults strike different messages, so their shares add up to at most 1.
type Faults []Fault

// ParseFaults reads faults joined by commas: WHAT:SHARE or WHAT:SHARE:ATTEMPTS. WHAT is status=CODE (200 to 599), delay=DURATION,
// hang or reset; SHARE is in percent, as in 0.5%; ATTEMPTS is a number from 1, which it is when not given, or all.
// Empty text is no faults.
func ParseFaults(text string) (Faults, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var all Faults
	sum := 0.0
	for part := range strings.SplitSeq(text, ",") {
		f, err := parseFault(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("fault %.60q is refused: %w; write it like status=500:5%%, delay=200ms:10%% or hang:1%%:all", part, err)
		}
		if slices.ContainsFunc(all, func(o Fault) bool { return o.Class() == f.Class() }) {
			return nil, fmt.Errorf("faults %.60q are refused: %s stands there twice, and the result is told by class; add the shares up", text, f.Class())
		}
		all, sum = append(all, f), sum+f.Share
	}
	if sum > 1+1e-9 {
		return nil, fmt.Errorf("faults %.60q are refused: the shares add up to %g%%, and each message has one fault at the most; "+
			"make them smaller", text, sum*100)
	}
	return all, nil
}

func parseFault(text string) (Fault, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return Fault{}, errors.New("it is not WHAT:SHARE nor WHAT:SHARE:ATTEMPTS")
	}
	reply, err := parseReply(parts[0])
	if err != nil {
		return Fault{}, err
	}
	f := Fault{Reply: reply, Attempts: 1}
	number, percent := strings.CutSuffix(parts[1], "%")
	f.Share, err = strconv.ParseFloat(number, 64)
	if f.Share /= 100; err != nil || !percent || math.IsNaN(f.Share) || f.Share <= 0 || f.Share > 1 {
		return Fault{}, fmt.Errorf("its share %.20q is not above 0%% and at most 100%%", parts[1])
	}
	if len(parts) == 2 {
		return f, nil
	}
	if f.Attempts, err = strconv.Atoi(parts[2]); parts[2] == "all" {
		f.Attempts = 0
	} else if err != nil || f.Attempts < 1 || f.Attempts > math.MaxInt16 {
		return Fault{}, fmt.Errorf("its attempts %.20q are neither a number from 1 nor all", parts[2])
	}
	return f, nil
}

func parseReply(what string) (harness.Reply, error) {
	name, value, _ := strings.Cut(what, "=")
	switch name {
	case "status":
		status, err := strconv.Atoi(value)
		if err != nil || status < http.StatusOK || status > 599 {
			return harness.Reply{}, fmt.Errorf("its status %.20q is not 200 to 599", value)
		}
		return harness.Reply{Status: status}, nil
	case "delay":
		delay, err := time.ParseDuration(value)
		if err != nil || delay <= 0 {
			return harness.Reply{}, fmt.Errorf("its delay %.20q is no duration above 0", value)
		}
		return harness.Reply{Delay: delay}, nil
	case string(harness.Hang), string(harness.Reset):
		if name == what {
			return harness.Reply{Fault: harness.Fault(name)}, nil
		}
	}
	return harness.Reply{}, fmt.Errorf("%.20q is none of status=CODE, delay=DURATION, hang, reset", what)
}

// Class names the fault in results, without its share.
func (f Fault) Class() string {
	class := string(f.Reply.Fault)
	switch {
	case f.Reply.Delay > 0:
		class = "delay=" + f.Reply.Delay.String()
	case f.Reply.Fault == "":
		class = "status=" + strconv.Itoa(f.Reply.Status)
	}
	switch f.Attempts {
	case 0:
		return class + ":all"
	case 1:
		return class
	default:
		return class + ":" + strconv.Itoa(f.Attempts)
	}
}

// fails says that who is struck has to try again.
func (f Fault) fails() bool {
	status := f.Reply.Status
	return f.Reply.Fault != "" || status != 0 && (status < 200 || status > 299)
}

// strikes says whether the delivery that comes after so many earlier ones is struck.
func (f Fault) strikes(earlier int) bool { return f.Attempts == 0 || earlier < f.Attempts }

// lastly says that a sender which tries often enough will never be confirmed.
func (f Fault) lastly() bool { return f.Attempts == 0 && f.fails() }

// pick returns the index of the fault that strikes message n, -1 for none. The same seed gives the same faults.
func (f Faults) pick(seed, n uint64) int {
	at := float64(mix(seed^mix(n))>>11) / (1 << 53)
	for i, one := range f {
		if at -= one.Share; at < 0 {
			return i
		}
	}
	return -1
}

// mix is the finalizer of splitmix64: neighbouring numbers become unrelated ones. (Steele, Lea, Flood: Fast splittable pseudorandom
// number generators, 2014.)
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
