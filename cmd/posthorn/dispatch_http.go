package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"posthorn/engine"
	"posthorn/ports"
)

// dispatchHandler serves what an operator asks a dispatcher: whether it lives, whether it takes tasks, and what it has done. Only the
// last asks for the key.
func dispatchHandler(d interface {
	Ready(ctx context.Context) error
}, authorize authorizer, metrics http.Handler,
) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		writeJSON(w, http.StatusOK, map[string]string{"status": "up", "version": version})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		switch err := d.Ready(r.Context()); {
		case errors.Is(err, ports.ErrClosed):
			writeProblem(w, http.StatusServiceUnavailable, "closed", "the dispatcher is stopping, and takes no more tasks")
		case err != nil: // the log has the rest, which may name hosts
			writeProblem(w, http.StatusServiceUnavailable, "transport_away", "the transport cannot be reached; calls go on by themselves when it can")
		default:
			w.Header().Set("Content-Type", "application/json")
			writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
		}
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if _, err := authorize(r); err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="posthorn"`)
			writeProblem(w, http.StatusUnauthorized, "unauthorized", err.Error())
			return
		}
		metrics.ServeHTTP(w, r)
	})
	return mux
}

// dispatchMetrics count what a dispatcher does, in a registry of its own.
type dispatchMetrics struct {
	registry *prometheus.Registry
	attempts *prometheus.HistogramVec
	dropped  *prometheus.CounterVec
	rejected prometheus.Counter
}

func newDispatchMetrics() *dispatchMetrics {
	m := &dispatchMetrics{
		registry: prometheus.NewRegistry(),
		attempts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "posthorn_attempt_seconds", Help: "How long attempts took, by what came of them.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30},
		}, []string{"class"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthorn_tasks_dropped_total", Help: "Tasks that were not attempted, by reason. Their engine asks again if it still wants to.",
		}, []string{"reason"}),
		rejected: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "posthorn_envelopes_rejected_total", Help: "Envelopes that could not be read, and were put aside on the rejected topic.",
		}),
	}
	for _, class := range classes() {
		m.attempts.WithLabelValues(className(class))
	}
	for _, reason := range []engine.DropReason{engine.DroppedLate, engine.DroppedOlderEpoch, engine.DroppedReplayed, engine.DroppedRunning} {
		m.dropped.WithLabelValues(string(reason))
	}
	m.registry.MustRegister(m.attempts, m.dropped, m.rejected,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// classes are what can come of an attempt: each is shown from the start, for a counter that appears with its first event hides that one.
func classes() []ports.Class {
	return []ports.Class{
		ports.ClassOK, ports.ClassDNS, ports.ClassConnect, ports.ClassTLS, ports.ClassTimeout, ports.ClassReset, ports.ClassRedirect,
		ports.ClassStatus, ports.ClassBlocked, ports.ClassInternal,
	}
}

// className is a label: the class of success has no name.
func className(c ports.Class) string {
	if c == ports.ClassOK {
		return "ok"
	}
	return string(c)
}

func (m *dispatchMetrics) hooks() engine.DispatchHooks {
	return engine.DispatchHooks{
		Attempted: func(a engine.AttemptInfo) { m.attempts.WithLabelValues(className(a.Class)).Observe(a.Took.Seconds()) },
		Dropped:   func(r engine.DropReason) { m.dropped.WithLabelValues(string(r)).Inc() },
		Rejected:  func(string, error) { m.rejected.Inc() },
	}
}

// follow shows how many attempts the dispatcher has under way.
func (m *dispatchMetrics) follow(d interface{ UnderWay() int }) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "posthorn_attempts_under_way", Help: "Attempts that are being made now.",
	}, func() float64 { return float64(d.UnderWay()) }))
}

func (m *dispatchMetrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
