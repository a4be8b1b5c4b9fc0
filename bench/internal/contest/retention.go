package contest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"time"

	"posthorn/bench/internal/numbered"
	"posthorn/bench/internal/verdict"
	"posthorn/harness/load"
)

// Retention measures what an engine takes on the disk that forgets calls as fast as it gets them, in a closed loop at full load.
type Retention struct {
	Engine Posthorn
	Keep   time.Duration // how long calls are kept
	Times  int           // how often what is kept is written anew
	Conns  int           // connections of the generator
	Limit  time.Duration // for all of it
}

// retentionShare is the most that the project's plan allows on the disk, of what is kept.
const retentionShare = 1.5

// kept is what came of it.
type kept struct {
	accepted int
	took     time.Duration
	sizes    []sized  // a second each, from when the first calls are over
	progress progress // of what was accepted
	live     int64    // of the same directory at the end, once it holds nothing else
	late     int      // calls that were kept for longer than a tenth more, at the end
}

// sized is what the directory took on the disk, a time after the start.
type sized struct {
	at    time.Duration
	bytes int64
}

// progress is how much was accepted until when, oldest first.
type progress []accepted

type accepted struct {
	at    time.Duration
	calls int
}

// between is how much was accepted from a time to another.
func (p progress) between(from, to time.Duration) float64 { return p.until(to) - p.until(from) }

// until takes the rate between two steps to be even.
func (p progress) until(at time.Duration) float64 {
	i := slices.IndexFunc(p, func(a accepted) bool { return a.at >= at })
	switch {
	case i < 0 && len(p) == 0:
		return 0
	case i < 0:
		return float64(p[len(p)-1].calls)
	}
	before := accepted{}
	if i > 0 {
		before = p[i-1]
	}
	part := float64(at-before.at) / float64(max(1, p[i].at-before.at))
	return float64(before.calls) + max(0, part)*float64(p[i].calls-before.calls)
}

// share is the most that the disk held, of what was live at that time: of the live bytes at the end, as much as calls were accepted within
// the time that they are kept, for the rate changes with what else the machine does.
func (k kept) share(keep time.Duration) (most float64) {
	end := k.progress.between(k.took-keep, k.took)
	for _, s := range k.sizes {
		live := float64(k.live) * k.progress.between(s.at-keep, s.at) / max(1, end)
		most = max(most, float64(s.bytes)/max(1, live))
	}
	return most
}

// Run prints what came of it to out. It returns an error unless what was promised was kept.
func (m Retention) Run(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	m.Engine.Retention = m.Keep
	dir, err := m.Engine.Workspace()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	k, err := m.load(ctx, dir)
	if err != nil {
		return err
	}
	if k.live, err = m.liveIn(ctx, DataIn(dir)); err != nil {
		return err
	}
	return m.report(out, k)
}

// load sends messages until what is kept has been written the wanted times, and watches the disk.
func (m Retention) load(ctx context.Context, dir string) (k kept, err error) {
	server, err := m.Engine.ServeIn(ctx, dir)
	if err != nil {
		return k, err
	}
	defer func() {
		_, stopped := server.Stop()
		err = errors.Join(err, stopped)
	}()
	const fastest, slice = 20_000, 2_000
	whole := time.Duration(m.Times+1) * m.Keep
	base := time.Now()
	receiver, err := numbered.Receive(ctx, base, int(fastest*whole.Seconds()))
	if err != nil {
		return k, err
	}
	defer func() { err = errors.Join(err, receiver.Close()) }()
	if _, err := server.Register(ctx, Company, receiver.URL()); err != nil {
		return k, err
	}
	client := load.NewClient(m.Conns)
	defer client.CloseIdleConnections()
	send, err := numbered.Post(client, server.URL+companyPath(Company)+"/messages", numbered.Message("sample.taken"))
	if err != nil {
		return k, err
	}
	stop := sizes(ctx, DataIn(dir), base, m.Keep)
	for time.Since(base) < whole {
		if _, err = numbered.Closed(ctx, base, numbered.Numbers{First: k.accepted, Count: slice}, m.Conns, send); err != nil {
			break
		}
		k.accepted += slice
		k.progress = append(k.progress, accepted{at: time.Since(base), calls: k.accepted})
	}
	k.took = time.Since(base)
	var watched error
	if k.sizes, watched = stop(); err == nil {
		k.late, err = overdue(ctx, server, time.Now().Add(-m.Keep*11/10-time.Second))
	}
	return k, errors.Join(err, watched)
}

// overdue counts the calls that ended before a time, up to a page of them.
func overdue(ctx context.Context, server *Server, before time.Time) (int, error) {
	var page callsPage
	query := url.Values{"until": {before.UTC().Format(time.RFC3339)}, "limit": {"250"}}
	err := server.Ask(ctx, http.MethodGet, companyPath(Company)+"/calls?"+query.Encode(), "", nil, &page)
	return len(page.Data), err
}

// sizes reads what a directory takes on the disk, a second each from a time after the start on, until stop is called.
func sizes(ctx context.Context, dir string, base time.Time, from time.Duration) (stop func() ([]sized, error)) {
	ctx, cancel := context.WithCancel(ctx)
	var all []sized
	var err error
	done := make(chan struct{})
	go func() { // ended and joined by stop
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for err == nil {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if time.Since(base) < from {
				continue
			}
			var size int64
			if size, err = SizeOf(dir); err == nil {
				all = append(all, sized{at: time.Since(base), bytes: size})
			}
		}
	}()
	return func() ([]sized, error) {
		cancel()
		<-done
		return all, err
	}
}

// liveIn is what a stopped engine's directory takes once all that is gone has left it.
func (m Retention) liveIn(ctx context.Context, data string) (int64, error) {
	if said, err := exec.CommandContext(ctx, m.Engine.Binary, "store", "compact", "--data", data).CombinedOutput(); err != nil { //nolint:gosec // our own
		return 0, fmt.Errorf("compact %s: %w\n%s", data, err, said)
	}
	return SizeOf(data)
}

func (m Retention) report(out io.Writer, k kept) error {
	if len(k.sizes) == 0 {
		return errors.New("the disk was never looked at: let it last longer")
	}
	least, most, sum := k.sizes[0].bytes, k.sizes[0].bytes, int64(0)
	for _, s := range k.sizes {
		least, most, sum = min(least, s.bytes), max(most, s.bytes), sum+s.bytes
	}
	written := float64(k.took) / float64(m.Keep)
	_, err := fmt.Fprintf(out, "calls kept for %v, closed loop of %d connections for %v\n\n%12s%12s%12s%12s%12s%12s%12s\n%12d%12.0f%12.1f%12s%12s%12s%12s\n\n",
		m.Keep, m.Conns, k.took.Round(time.Second),
		"accepted", "accepted/s", "written x", "live at end", "disk least", "mean", "most",
		k.accepted, perSecond(k.accepted, k.took), written, inMiB(k.live), inMiB(least), inMiB(sum/int64(len(k.sizes))), inMiB(most))
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	share := k.share(m.Keep)
	return verdict.Report(out, []verdict.Verdict{
		verdict.Of(share <= retentionShare, "at the most %.2f of what was live at that time on the disk, while it was written %.1f times, promised %.1f",
			share, written, retentionShare),
		verdict.Of(k.late == 0, "%d calls (of at most 250 looked for) were kept for over a second and a tenth longer than asked, promised none", k.late),
	})
}
