package load

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// An SLO is what is demanded of a result, beyond what always is.
type SLO []Objective

// An Objective is one condition: a metric, how it compares, and with what.
type Objective struct {
	// Text is the condition as it was written.
	Text   string
	metric metric
	op     string
	bound  float64 // seconds, a number, a share, or a rate a second
}

type unit int

const (
	inTime unit = iota
	inCount
	inShare
	inRate
)

// A metric is a value of a result.
type metric struct {
	name     string
	accept   bool    // of the accept latencies, not the arrivals'
	quantile float64 // above 0 for a percentile
	unit     unit
}

// ParseSLO reads conditions joined by commas: METRIC OP BOUND, OP being one of < <= > >= =. METRIC is
//
//	p50 to p99.9, any percentile, or max   of arrival; accept.p99 and so on of accept; BOUND is a duration
//	lost, duplicated, bad, refused         of what was expected; BOUND is a number, or a share such as 0.1%
//	rate                                   messages delivered a second; BOUND is a number
//
// Empty text demands nothing.
func ParseSLO(source string) (SLO, error) {
	if strings.TrimSpace(source) == "" {
		return nil, nil
	}
	var slo SLO
	for part := range strings.SplitSeq(source, ",") {
		o, err := parseObjective(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("objective %.60q is refused: %w; write it like p99<250ms, accept.p99.9<=50ms, lost=0, duplicated<0.1%% or rate>=1900",
				part, err)
		}
		slo = append(slo, o)
	}
	return slo, nil
}

func parseObjective(source string) (Objective, error) {
	at := strings.IndexAny(source, "<>=")
	if at < 0 {
		return Objective{}, errors.New("it compares nothing: there is none of < <= > >= =")
	}
	o := Objective{Text: source, op: source[at : at+1]}
	rest := source[at+1:]
	if o.op != "=" && strings.HasPrefix(rest, "=") {
		o.op, rest = o.op+"=", rest[1:]
	}
	m, ok := parseMetric(strings.TrimSpace(source[:at]))
	if !ok {
		return Objective{}, fmt.Errorf("there is no metric %.20q", source[:at])
	}
	o.metric = m
	return o.withBound(strings.TrimSpace(rest))
}

func parseMetric(name string) (metric, bool) {
	m := metric{name: name}
	switch name {
	case "lost", "duplicated", "bad", "refused":
		m.unit = inCount
		return m, true
	case "rate":
		m.unit = inRate
		return m, true
	}
	which := name
	if rest, ok := strings.CutPrefix(name, "accept."); ok {
		which, m.accept = rest, true
	}
	if which == "max" {
		m.quantile = 100
		return m, true
	}
	digits, ok := strings.CutPrefix(which, "p")
	var err error
	m.quantile, err = strconv.ParseFloat(digits, 64)
	return m, ok && err == nil && m.quantile > 0 && m.quantile < 100
}

func (o Objective) withBound(text string) (Objective, error) {
	if o.metric.unit == inTime {
		bound, err := time.ParseDuration(text)
		if err != nil || bound < 0 {
			return Objective{}, fmt.Errorf("its bound %.20q is no duration", text)
		}
		o.bound = bound.Seconds()
		return o, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	bound, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(bound) || math.IsInf(bound, 0) || bound < 0 || percent && o.metric.unit == inRate {
		return Objective{}, fmt.Errorf("its bound %.20q is no number from 0", text)
	}
	o.bound = bound
	if percent {
		o.bound, o.metric.unit = bound/100, inShare
	}
	return o, nil
}

// judge compares the objective with a result. A percentile of nothing is not good.
func (o Objective) judge(r *Result) Verdict {
	value, shown, known := o.metric.of(r)
	return Verdict{Name: o.Text, Got: o.metric.name + " is " + shown, OK: known && o.holds(value)}
}

func (o Objective) holds(value float64) bool {
	switch o.op {
	case "<":
		return value < o.bound
	case "<=":
		return value <= o.bound
	case ">":
		return value > o.bound
	case ">=":
		return value >= o.bound
	default:
		return math.Abs(value-o.bound) < 1e-12
	}
}

// of returns the value, as text too, and whether there is anything that it is of.
func (m metric) of(r *Result) (value float64, shown string, known bool) {
	count, base := m.count(r)
	switch m.unit {
	case inRate:
		return r.DeliveredPerSecond, fmt.Sprintf("%.1f/s", r.DeliveredPerSecond), true
	case inCount:
		return float64(count), strconv.Itoa(count), true
	case inShare:
		share := float64(count) / float64(max(base, 1))
		return share, fmt.Sprintf("%.3g%%", share*100), base > 0
	default:
		l := &r.Arrival
		if m.accept {
			l = &r.Accept
		}
		at := l.at(m.quantile)
		return at.Seconds(), at.String(), l.Count > 0
	}
}

// count returns how many there are, and of how many.
func (m metric) count(r *Result) (n, base int) {
	switch m.name {
	case "lost":
		return r.Lost.Count, r.Expected
	case "duplicated":
		return r.Duplicated.Count, r.Expected
	case "bad":
		return r.Bad.Count, r.Expected
	default:
		return r.Refused.Count, r.Generator.Sent
	}
}
