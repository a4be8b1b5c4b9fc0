package contest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"posthorn/bench/internal/fill"
	"posthorn/bench/internal/numbered"
	"posthorn/bench/internal/stats"
	"posthorn/bench/internal/verdict"
	"posthorn/harness"
)

// Replay measures what a webhook at a steady rate, in an open loop, feels of a replay of its company: alone, and then beside it, on one engine
// in one run.
type Replay struct {
	Engine Posthorn
	Past   int           // calls that are sent again
	Again  float64       // of these, a second; with Past, it says how long the measurement beside takes
	Rate   float64       // calls of the live webhook a second
	Alone  time.Duration // how long it is measured alone
	Conns  int           // connections of the generator
	Limit  time.Duration // for all of it
}

// replaying is an engine over a past that can be sent again.
type replaying struct {
	Posthorn

	dir    string
	past   string // the webhook of the past
	server *Server
}

// A replayed is the engine's answer of how far it is.
type replayed struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Counts struct {
		Calls int `json:"calls"`
	} `json:"counts"`
	Progress struct {
		Succeeded int `json:"succeeded"`
		Pending   int `json:"pending"`
	} `json:"progress"`
}

// Start implements Contender: a webhook that is told live, beside the one of the past, which is told nothing new.
func (b *replaying) Start(ctx context.Context, to string, _ int) (t Target, err error) {
	if b.server, err = b.ServeIn(ctx, b.dir); err != nil {
		return Target{}, err
	}
	t = Target{
		URL: b.server.URL + companyPath(Company) + "/messages", Body: numbered.Message("sample.live"), Check: b.server.Cost, Stop: b.server.Stop,
	}
	if t.Secret, err = b.server.Register(ctx, Company, to); err == nil {
		only := []byte(`{"eventTypes":["` + fill.EventType + `"]}`)
		err = b.server.Ask(ctx, http.MethodPatch, companyPath(Company)+"/webhooks/"+b.past, "", only, new(struct{}))
	}
	if err != nil {
		_, stopped := b.server.Stop()
		return Target{}, errors.Join(err, stopped)
	}
	return t, nil
}

// Run prints the times alone and beside the replay to out. It returns an error unless what was promised was kept, and each call was sent again
// once.
func (m Replay) Run(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	receiver, err := harness.Start(context.WithoutCancel(ctx), harness.Options{Keep: -1, DropBodies: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, receiver.Close()) }()
	b := &replaying{Posthorn: m.Engine}
	if b.dir, err = m.Engine.Workspace(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.past, err = m.fill(ctx, b.dir, receiver.URL()); err != nil {
		return err
	}
	alone, beside, end, err := m.measure(ctx, b)
	if err != nil {
		return err
	}
	return m.report(out, alone, beside, end)
}

// fill makes the calls of the past come and go, and returns their webhook.
func (m Replay) fill(ctx context.Context, dir, to string) (webhook string, err error) {
	d, err := fill.Open(ctx, DataIn(dir))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, d.Close(ctx)) }()
	ids, err := d.Register(ctx, Company, to)
	if err != nil {
		return "", err
	}
	if err := d.Publish(ctx, numbered.Numbers{Count: m.Past}, 1, func(int) string { return Company }); err != nil {
		return "", err
	}
	return ids[0], d.Settle(ctx)
}

// measure lets the live webhook be called alone, and then beside the replay, until that has ended.
func (m Replay) measure(ctx context.Context, b *replaying) (alone, beside times, end replayed, err error) {
	first, second := int(m.Rate*m.Alone.Seconds()), int(m.Rate*float64(m.Past)/m.Again)
	r, err := measure(ctx, b, m.Conns, first+second,
		func(ctx context.Context, base time.Time, numbers numbered.Numbers, conns int, send numbered.Send) (numbered.Record, error) {
			open := func(from, count int) (numbered.Record, error) {
				return numbered.Open(ctx, base, numbered.Numbers{First: numbers.First + from, Count: count}, m.Rate, conns, send)
			}
			before, err := open(0, first)
			if err != nil {
				return before, err
			}
			query := map[string]any{"mode": "same", "webhook": b.past, "rate": m.Again}
			if err := b.server.Post(ctx, companyPath(Company)+"/replays", query, &end); err != nil {
				return before, err
			}
			during, err := open(first, second)
			if err != nil {
				return before, err
			}
			return joined(before, during), b.await(ctx, &end)
		})
	if err != nil {
		return alone, beside, end, err
	}
	return timesOf(part(r, 0, first)), timesOf(part(r, first, first+second)), end, nil
}

// joined is one record of two.
func joined(a, b numbered.Record) numbered.Record {
	return numbered.Record{First: a.First, Due: append(a.Due, b.Due...), Sent: append(a.Sent, b.Sent...), Accepted: append(a.Accepted, b.Accepted...)}
}

// part is what was measured of some of the requests.
func part(r run, from, to int) run {
	return run{
		record:   numbered.Record{Due: r.record.Due[from:to], Sent: r.record.Sent[from:to], Accepted: r.record.Accepted[from:to]},
		arrivals: r.arrivals[from:to],
	}
}

// await asks until the replay has ended, and its calls have.
func (b *replaying) await(ctx context.Context, end *replayed) error {
	path := companyPath(Company) + "/replays/" + end.ID
	for end.State == "running" || end.Progress.Pending > 0 {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return fmt.Errorf("the replay is %s: %w", end.State, ctx.Err())
		}
		if err := b.server.Ask(ctx, http.MethodGet, path, "", nil, end); err != nil {
			return err
		}
	}
	return nil
}

func (m Replay) report(out io.Writer, alone, beside times, end replayed) error {
	_, err := fmt.Fprintf(out, "a live webhook at %g/s, open loop, alone for %v, then beside a replay of %d calls of its company at %g/s; times in ms\n\n"+
		"%-10s%-32s%9s%9s%9s%9s\n", m.Rate, m.Alone, m.Past, m.Again, "", "time", "p50", "p90", "p99", "max")
	for _, row := range []struct {
		name string
		t    times
	}{{"alone", alone}, {"beside", beside}} {
		if err == nil {
			err = writeReplay(out, row.name, row.t)
		}
	}
	if err == nil {
		_, err = fmt.Fprintln(out)
	}
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return verdict.Report(out, []verdict.Verdict{
		m.near(toArrived, beside.arrived.P99, alone.arrived.P99, beside),
		m.near(toCarried, beside.carried.P99, alone.carried.P99, beside),
		verdict.Of(end.State == "done" && end.Counts.Calls == m.Past && end.Progress.Succeeded == m.Past,
			"the replay is %s: %d calls sent again, %d succeeded, of %d", end.State, end.Counts.Calls, end.Progress.Succeeded, m.Past),
	})
}

func writeReplay(out io.Writer, name string, t times) error {
	for _, row := range []struct {
		time string
		t    stats.Times
	}{{toSent, t.sent}, {toAccepted, t.accepted}, {toCarried, t.carried}, {toArrived, t.arrived}} {
		_, err := fmt.Fprintf(out, "%-10s%-32s%9s%9s%9s%9s\n", name, row.time, inMs(row.t.P50), inMs(row.t.P90), inMs(row.t.P99), inMs(row.t.Max))
		if err != nil {
			return err
		}
	}
	return nil
}

// near judges a p99 by what it was alone.
func (m Replay) near(name string, got, alone time.Duration, t times) verdict.Verdict {
	most := max(2*alone, alone+isolationSlack)
	return excused(verdict.Of(got <= most, "%s p99 %s ms beside the replay, promised at most %s (alone %s, ratio %.2f)",
		name, inMs(got), inMs(most), inMs(alone), float64(got)/float64(max(1, alone))), t, m.Rate, m.Conns)
}
