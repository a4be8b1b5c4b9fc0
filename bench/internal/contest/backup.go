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
	"path/filepath"
	"sync"
	"time"

	"posthorn/bench/internal/numbered"
	"posthorn/bench/internal/stats"
	"posthorn/bench/internal/verdict"
	"posthorn/harness/load"
)

// Backup takes a backup of an engine under load, in an open loop, and then one since that, puts both back elsewhere, and looks whether all is there
// that was accepted before the second began.
type Backup struct {
	Engine Posthorn
	Before int           // candidates that are there already
	Rate   float64       // candidates a second
	For    time.Duration // how long: the backups begin after a third and after two
	Conns  int           // connections of the generator
	Limit  time.Duration // for all of it
}

// A backupTaken is one of the backups.
type backupTaken struct {
	file  string
	began time.Duration // from the base
	took  time.Duration
	bytes int64
}

// backing is a run of it.
type backing struct {
	Backup

	base      time.Time
	dir, back string // workspaces of the engine, and of the restored one
	server    *Server
	receiver  *numbered.Receiver
	taken     [2]backupTaken
}

// Run prints what was accepted before the backups began, how large they are and how long they took, and what of it is there after a restore. It
// returns an error unless nothing is missing and all is in order.
func (m Backup) Run(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	b := &backing{Backup: m, base: time.Now()}
	if b.dir, err = m.Engine.Workspace(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.back, err = m.Engine.Workspace(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.back)) }()
	total := m.Before + int(m.Rate*m.For.Seconds())
	if b.receiver, err = numbered.Receive(ctx, b.base, total); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.receiver.Close()) }()
	before, during, err := b.load(ctx)
	if err != nil {
		return err
	}
	restored, err := b.restore(ctx)
	if err != nil {
		return err
	}
	found, pending, err := b.served(ctx)
	if err != nil {
		return err
	}
	return b.report(out, joined(before, during), len(before.Sent), restored, found, pending)
}

// load serves the engine, fills it, and takes the backups while more comes.
func (b *backing) load(ctx context.Context) (before, during numbered.Record, err error) {
	if b.server, err = b.Engine.ServeIn(ctx, b.dir); err != nil {
		return before, during, err
	}
	defer func() {
		_, stopped := b.server.Stop()
		err = errors.Join(err, stopped)
	}()
	secret, err := b.server.RegisterSeed(ctx, Company, b.receiver.URL())
	if err == nil {
		err = b.receiver.SetSecret(secret)
	}
	if err != nil {
		return before, during, err
	}
	client := load.NewClient(b.Conns)
	defer client.CloseIdleConnections()
	send, err := numbered.Post(client, b.server.URL+"/candidates", numbered.Candidate(Company))
	if err != nil {
		return before, during, err
	}
	if before, err = numbered.Closed(ctx, b.base, numbered.Numbers{Count: b.Before}, b.Conns, send); err != nil {
		return before, during, err
	}
	var loading sync.WaitGroup
	var loaded error
	loading.Go(func() {
		numbers := numbered.Numbers{First: b.Before, Count: int(b.Rate * b.For.Seconds())}
		during, loaded = numbered.Open(ctx, b.base, numbers, b.Rate, b.Conns, send)
	})
	err = b.take(ctx)
	loading.Wait()
	if err := errors.Join(err, loaded); err != nil {
		return before, during, err
	}
	return before, during, b.receiver.Wait(ctx, len(before.Sent)+len(during.Sent))
}

// take takes the backups at their times.
func (b *backing) take(ctx context.Context) error {
	third := time.NewTicker(b.For / 3)
	defer third.Stop()
	for i := range b.taken {
		select {
		case <-third.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		t := &b.taken[i]
		t.file = filepath.Join(b.back, fmt.Sprintf("%d.backup", i+1))
		args := []string{"backup", "--server", b.server.URL, "--out", t.file}
		if i > 0 {
			args = append(args, "--since", b.taken[i-1].file)
		}
		t.began = time.Since(b.base)
		if err := b.posthorn(ctx, args...); err != nil {
			return err
		}
		t.took = time.Since(b.base) - t.began
		info, err := os.Stat(t.file)
		if err != nil {
			return err
		}
		t.bytes = info.Size()
	}
	return nil
}

// restore puts the backups back, with the key, and verifies what came of it.
func (b *backing) restore(ctx context.Context) (took time.Duration, err error) {
	began, data := time.Now(), DataIn(b.back)
	if err := b.posthorn(ctx, "restore", "--data", data, b.taken[0].file, b.taken[1].file); err != nil {
		return 0, err
	}
	took = time.Since(began)
	key, err := os.ReadFile(filepath.Join(DataIn(b.dir), "secret.key"))
	if err != nil {
		return took, err
	}
	if err := os.WriteFile(filepath.Join(data, "secret.key"), key, 0o600); err != nil { //nolint:gosec // a workspace of our own
		return took, err
	}
	return took, b.posthorn(ctx, "log", "verify", "--data", data)
}

// served serves what was restored until no call waits, and returns the numbers of the candidates that it has.
func (b *backing) served(ctx context.Context) (found map[string]bool, pending int, err error) {
	if b.server, err = b.Engine.ServeIn(ctx, b.back); err != nil {
		return nil, 0, err
	}
	defer func() {
		_, stopped := b.server.Stop()
		err = errors.Join(err, stopped)
	}()
	if pending, err = b.server.Calls(ctx, Company, "pending"); err != nil {
		return nil, 0, err
	}
	for left := pending; left > 0; {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, 0, fmt.Errorf("%d calls of the restored engine wait: %w", left, ctx.Err())
		}
		if left, err = b.server.Calls(ctx, Company, "pending"); err != nil {
			return nil, 0, err
		}
	}
	found = map[string]bool{}
	for query := (url.Values{"limit": {"250"}}); ; {
		var page callsPage
		if err := b.server.Ask(ctx, http.MethodGet, companyPath(Company)+"/candidates?"+query.Encode(), "", nil, &page); err != nil {
			return nil, 0, err
		}
		for _, candidate := range page.Data {
			found[numbered.ID(nil, candidate)] = true
		}
		if page.NextCursor == "" {
			return found, pending, nil
		}
		query.Set("cursor", page.NextCursor)
	}
}

// posthorn runs a verb of the binary.
func (b *backing) posthorn(ctx context.Context, args ...string) error {
	said, err := exec.CommandContext(ctx, b.Engine.Binary, args...).CombinedOutput() //nolint:gosec // our own
	if err != nil {
		return fmt.Errorf("posthorn %s: %w: %s", args[0], err, said)
	}
	return nil
}

func (b *backing) report(out io.Writer, all numbered.Record, filled int, restored time.Duration, found map[string]bool, pending int) error {
	before, missing := 0, 0
	for i, at := range all.Accepted {
		if at == 0 || at >= b.taken[1].began {
			continue
		}
		if before++; !found[fmt.Sprintf("%09d", all.First+i)] {
			missing++
		}
	}
	_, err := fmt.Fprintf(out, "%d candidates, then %g/s for %v, open loop; a full backup after a third of it, and one since that after two\n\n"+
		"%-10s%12s%12s\n", b.Before, b.Rate, b.For, "backup", "MiB", "seconds")
	for i, name := range []string{"full", "since"} {
		if err == nil {
			_, err = fmt.Fprintf(out, "%-10s%12.1f%12.2f\n", name, float64(b.taken[i].bytes)/(1<<20), b.taken[i].took.Seconds())
		}
	}
	if err == nil {
		_, err = fmt.Fprintf(out, "\nrestored in %.2f s, and verified; %d calls were open in it, and have ended\nsent to accepted, in ms: %s\n\n",
			restored.Seconds(), pending, b.beside(all, filled))
	}
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return verdict.Report(out, []verdict.Verdict{
		verdict.Of(before > filled && missing == 0,
			"%d were accepted before the second backup began, %d of them are not in what was restored", before, missing),
	})
}

// beside compares the times of acceptance while no backup was taken with those beside one.
func (b *backing) beside(all numbered.Record, filled int) string {
	var alone, beside []time.Duration
	for i := filled; i < len(all.Sent); i++ {
		took, during := all.Accepted[i]-all.Sent[i], false
		for _, t := range b.taken {
			during = during || all.Sent[i] >= t.began && all.Sent[i] < t.began+t.took
		}
		if during {
			beside = append(beside, took)
		} else {
			alone = append(alone, took)
		}
	}
	one, other := stats.TimesOf(alone), stats.TimesOf(beside)
	return fmt.Sprintf("p50 %s, p99 %s without a backup; p50 %s, p99 %s beside one", inMs(one.P50), inMs(one.P99), inMs(other.P50), inMs(other.P99))
}
