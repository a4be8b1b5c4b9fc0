package report_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"posthorn/harness/load/report"
)

// browser starts Debian's Chromium, or another by the names that it goes by, and ends it with the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("there is no chromium on this machine; apt-get install chromium")
	}
	ctx, cancel := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1000, 800),
		chromedp.NoSandbox, // root in a container has no sandbox; the page is our own
	))
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("end the browser: %v", err)
		}
		cancel()
	})
	return ctx
}

// heard is what the browser says of a page.
type heard struct {
	mu         sync.Mutex
	complaints []string
	requests   []string
}

func (h *heard) listen(event any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		h.complaints = append(h.complaints, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		h.complaints = append(h.complaints, "console."+string(e.Type))
	case *log.EventEntryAdded:
		h.complaints = append(h.complaints, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "data:") {
			h.requests = append(h.requests, e.Request.URL)
		}
	}
}

// A drawn is a path of a chart, as large as the browser draws it.
type drawn struct {
	Chart, Name   string
	Width, Height float64
	Stroke        string
}

const lines = `[...document.querySelectorAll("figure > svg path.line")].map(p => { const b = p.getBoundingClientRect();
	return {Chart: p.ownerSVGElement.id, Name: p.querySelector("title").textContent, Width: b.width, Height: b.height, Stroke: getComputedStyle(p).stroke} })`

const words = `[...document.querySelectorAll("figure > svg")].map(s =>
	s.getAttribute("aria-labelledby").split(" ").map(id => document.getElementById(id).textContent).join(": "))`

func TestPageInABrowser(t *testing.T) {
	t.Parallel()
	ctx := browser(t)
	file := filepath.Join(t.TempDir(), "report.html")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := report.HTML(f, sample()); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var h heard
	page := (&url.URL{Scheme: "file", Path: file}).String()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(chromedp.Do(ctx))
	must(chromedp.Listen(ctx, h.listen))
	must(chromedp.Do(ctx, enable(network.Enable, network.EnableParams{}), enable(log.Enable, cdp.Empty{}), enable(runtime.Enable, cdp.Empty{}),
		scheme("light"), chromedp.Navigate(page)))
	light, err := chromedp.Run(ctx, chromedp.Evaluate[[]drawn](lines))
	must(err)
	names, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](words))
	must(err)
	wide, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`))
	must(err)
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	must(err)
	must(chromedp.Do(ctx, scheme("dark")))
	dark, err := chromedp.Run(ctx, chromedp.Evaluate[[]drawn](lines))
	must(err)
	checkLines(t, light, dark)
	for _, name := range names {
		if title, desc, ok := strings.Cut(name, ": "); !ok || title == "" || len(desc) < 20 {
			t.Errorf("a chart without words: %q", name)
		}
	}
	if len(names) != 3 || wide {
		t.Errorf("%d charts; wider than the window: %t", len(names), wide)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.complaints) > 0 || len(h.requests) != 1 || h.requests[0] != page {
		t.Errorf("the browser complains %q and loaded %q", h.complaints, h.requests)
	}
	keep(t, shot)
}

func enable[P any](c cdp.Command[P, cdp.Empty], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, c, params)
		return err
	})
}

func scheme(name string) chromedp.Action[chromedp.Void] {
	return enable(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
}

// checkLines wants each line drawn across most of its chart, and in other colours in the dark.
func checkLines(t *testing.T, light, dark []drawn) {
	t.Helper()
	var got []string
	for i, l := range light {
		got = append(got, l.Chart+" "+l.Name)
		if l.Width < 600 || l.Height < 20 {
			t.Errorf("%s %s is only %g by %g", l.Chart, l.Name, l.Width, l.Height)
		}
		if i < len(dark) && dark[i].Stroke == l.Stroke {
			t.Errorf("%s %s is %s in the dark, too", l.Chart, l.Name, l.Stroke)
		}
	}
	want := "latency arrival, latency accept, throughput delivered, throughput accepted, throughput due, backlog not yet arrived"
	if strings.Join(got, ", ") != want || len(dark) != len(light) {
		t.Errorf("drawn are %q, and %d in the dark", got, len(dark))
	}
}

// keep holds the picture of the docs below 300 KB, and renews it when asked.
func keep(t *testing.T, shot []byte) {
	t.Helper()
	if len(shot) > 300_000 {
		t.Errorf("the picture has %d bytes", len(shot))
	}
	if *update {
		if err := os.WriteFile("../../../docs/report.png", shot, 0o600); err != nil {
			t.Error(err)
		}
	}
}
