package contest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthorn/bench/internal/child"
	"posthorn/bench/internal/numbered"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sixteen are results with 16 connections.
func sixteen(single, twoHop, other float64) []rates {
	of := func(name string, median float64) rates {
		return rates{contender: name, conns: 16, accepted: []float64{1}, delivered: []float64{median / 2, median, median * 2}}
	}
	return []rates{of("single-hop", single), of("two-hop", twoHop), of("other", other)}
}

func TestReport(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := (Rate{Rounds: 3, Count: 10}).report(&out, sixteen(1000, 500, 206)); err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		"16 single-hop 1 (1..1) 1000 (500..2000) 2.00",
		"16 two-hop 1 (1..1) 500 (250..1000) 1.00",
		"16 other 1 (1..1) 206 (103..412) 0.41",
		"ratio other delivered / two-hop, each at its best: 0.41",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

func TestReportIsVoid(t *testing.T) {
	t.Parallel()
	err := (Rate{}).report(new(strings.Builder), sixteen(1000, 299, 10))
	if err == nil || !strings.Contains(err.Error(), "VOID: with 16 connections two-hop is 0.30 of single-hop, under 0.3") {
		t.Errorf("two-hop at 0.299 of single-hop: %v", err)
	}
	if err := (Rate{}).report(new(strings.Builder), sixteen(1000, 301, 10)); err != nil {
		t.Errorf("two-hop at 0.301 of single-hop: %v", err)
	}
}

// A stub delivers by itself what is posted to it, and is changed by a test.
type stub func(*Target)

func (stub) Name() string { return "stub" }

func (change stub) Start(_ context.Context, to string, _ int) (Target, error) {
	t := Target{URL: to, Body: numbered.Delivered(), Stop: func() (child.Usage, error) { return child.Usage{}, nil }}
	change(&t)
	return t, nil
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	checked := stub(func(t *Target) {
		t.Check = func() (Cost, error) { return Cost{Syncs: 7}, nil }
	})
	r, err := measure(t.Context(), checked, 2, 50, numbered.Closed)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.arrivals) != 50 || r.repeated != 0 || r.cost.Syncs != 7 {
		t.Errorf("%d arrivals, %d repeated, cost %v", len(r.arrivals), r.repeated, r.cost)
	}
	for i, arrived := range r.arrivals {
		if arrived <= r.record.Sent[i] || arrived >= r.record.Accepted[i] {
			t.Errorf("request %d arrived at %v, sent at %v and accepted at %v", i, arrived, r.record.Sent[i], r.record.Accepted[i])
		}
	}
}

func TestMeasureFails(t *testing.T) {
	t.Parallel()
	wrong := errors.New("wrong")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for want, change := range map[string]stub{
		"secret that begins with whsec_ refused":    func(t *Target) { t.Secret = "whsec_no!" },
		"signature missing: there is no webhook-id": func(t *Target) { t.Secret = "whsec_c2VjcmV0" },
		"check stub: wrong":                         func(t *Target) { t.Check = func() (Cost, error) { return Cost{}, wrong } },
		"wrong":                                     func(t *Target) { t.Stop = func() (child.Usage, error) { return child.Usage{}, wrong } },
	} {
		if _, err := measure(ctx, change, 2, 10, numbered.Closed); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// A contender that takes requests and delivers none ends with the limit.
func TestMeasureEnds(t *testing.T) {
	t.Parallel()
	hole := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer hole.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := measure(ctx, stub(func(t *Target) { t.URL = hole.URL }), 2, 10, numbered.Closed)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "warm stub") {
		t.Errorf("a contender that delivers nothing: %v", err)
	}
}
