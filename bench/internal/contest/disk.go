package contest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"posthorn/bench/internal/fill"
	"posthorn/bench/internal/numbered"
)

// Disk measures what an ended call takes on the disk, once the store has merged what it wrote.
type Disk struct {
	Engine Posthorn      // for its Dir
	Calls  int           // of each shape, a multiple of 10
	Settle time.Duration // how long a directory must not change to count as settled
	Limit  time.Duration // for each shape
}

// A shape is how calls come about.
type shape struct {
	name     string
	webhooks int
	make     func(context.Context, *fill.Directory, numbered.Numbers, int) error
}

func shapes() []shape {
	message := func(ctx context.Context, d *fill.Directory, numbers numbered.Numbers, webhooks int) error {
		return d.Publish(ctx, numbers, webhooks, func(int) string { return Company })
	}
	candidate := func(ctx context.Context, d *fill.Directory, numbers numbered.Numbers, webhooks int) error {
		return d.Create(ctx, numbers, webhooks, Company)
	}
	return []shape{{"a candidate, 1 webhook", 1, candidate}, {"a message, 1 webhook", 1, message}, {"a message, 10 webhooks", 10, message}}
}

// A taken is what the calls of one shape take.
type taken struct {
	sizes fill.Sizes
	disk  int64
}

// Run prints what a call of each shape takes to out. Nothing is judged.
func (m Disk) Run(ctx context.Context, out io.Writer) error {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "calls of\tlog\trows\tvault\tsum\ton disk\tdirectory\t")
	for _, s := range shapes() {
		t, err := m.once(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		each := func(bytes int64) string { return strconv.FormatInt(bytes/int64(m.Calls), 10) }
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", s.name, each(t.sizes.Log), each(t.sizes.Rows), each(t.sizes.Vault),
			each(t.sizes.Log+t.sizes.Rows+t.sizes.Vault), each(t.disk), inMiB(t.disk))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err := fmt.Fprintf(out, "bytes of a call that has ended with 204 at its first attempt, over %d of each shape, "+
		"the directory unchanged for %v\n\n%s", m.Calls, m.Settle, &text)
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func (m Disk) once(ctx context.Context, s shape) (t taken, err error) {
	ctx, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	dir, err := m.Engine.Workspace()
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d, err := fill.Open(ctx, dir)
	if err != nil {
		return t, err
	}
	_, made := d.Register(ctx, Company, urls("http://127.0.0.1", s.webhooks, 1)...)
	if made == nil {
		made = s.make(ctx, d, numbered.Numbers{Count: m.Calls / s.webhooks}, s.webhooks)
	}
	if made == nil {
		made = d.Settle(ctx)
	}
	if made == nil {
		made = unchanged(ctx, dir, m.Settle)
	}
	if err := errors.Join(made, d.Close(ctx)); err != nil {
		return t, err
	}
	if t.disk, err = SizeOf(dir); err != nil {
		return t, err
	}
	t.sizes, err = fill.SizesOf(ctx, dir)
	return t, err
}

// urls are of count webhooks below target, told apart by paths that step numbers apart.
func urls(target string, count, step int) []string {
	all := make([]string, count)
	for i := range all {
		all[i] = target + "/" + strconv.Itoa(i*step)
	}
	return all
}

// unchanged waits until the size of a directory has not changed for a time.
func unchanged(ctx context.Context, dir string, lasting time.Duration) error {
	last, since := int64(-1), time.Now()
	for {
		size, err := SizeOf(dir)
		if err != nil {
			return err
		}
		if size != last {
			last, since = size, time.Now()
		}
		if time.Since(since) >= lasting {
			return nil
		}
		if err := wait(ctx, lasting/10); err != nil {
			return err
		}
	}
}
