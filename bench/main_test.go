package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"posthorn"
	"posthorn/adapters/httpapi"
)

// TestMain lets the test's own program be the forwarder and the engine, as bench starts them.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "forward":
			main()
			return
		case "serve":
			if err := serve(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	goleak.VerifyTestMain(m)
}

// serve is an engine that says what `posthorn serve` says.
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	data, listen, target := flags.String("data", "", ""), flags.String("listen", "", ""), flags.String("allow-target", "", "")
	flags.String("log-format", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ph, err := posthorn.Open(ctx, posthorn.Options{Dir: *data, AllowTargets: []string{*target}})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return errors.Join(err, ph.Close())
	}
	server := &http.Server{Handler: httpapi.Handler(ph, httpapi.Options{Authorize: httpapi.AllowAll})}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	fmt.Println("listening on http://" + listener.Addr().String())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(err, ph.Close())
	}
	err = ph.Close()
	fmt.Fprintf(os.Stderr, "{\"msg\":\"stopped\",\"syncs\":%d}\n", ph.Syncs())
	return err
}

// short runs a verb with little to measure, and looks for what it should print. So little says nothing of the engine, and the machine is
// busy, so that judgements may fail.
func short(t *testing.T, args []string, want ...string) {
	t.Helper()
	var out, errs strings.Builder
	dir := t.TempDir()
	err := run(t.Context(), &out, &errs, append(args, "--binary", os.Args[0], "--dir", dir, "--limit", "30s"))
	if err != nil && !strings.HasPrefix(err.Error(), "VOID") && !strings.HasPrefix(err.Error(), "FAIL") {
		t.Fatal(err)
	}
	for _, w := range want {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), w) {
			t.Errorf("no %q in\n%s", w, &out)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	short(t, []string{"rate", "--rounds", "1", "--count", "100", "--conns", "2,4"},
		" 2 single-hop", " 2 two-hop", " 2 posthorn", " 4 single-hop", " 4 two-hop", " 4 posthorn",
		"two-hop, 4 connections: ", " syncs", "ratio posthorn delivered / two-hop, each at its best: ")
}

func TestRateOfTheRawBaselines(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	err := run(t.Context(), &out, &errs, []string{"rate", "--rounds", "1", "--count", "100", "--conns", "2", "--binary", ""})
	if err != nil && !strings.HasPrefix(err.Error(), "VOID") {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "posthorn") || !strings.Contains(out.String(), "two-hop") {
		t.Errorf("without a binary:\n%s", &out)
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	short(t, []string{"latency", "--rates", "1000", "--for", "200ms", "--conns", "4"},
		"two-hop due to sent", "posthorn due to accepted", "posthorn accepted to arrived", "posthorn due to arrived",
		"posthorn at 1000/s: due to accepted p99", "posthorn at 1000/s: accepted to arrived p99", "(raw two-hop: due to accepted p50 ")
}

func TestIsolation(t *testing.T) {
	t.Parallel()
	short(t, []string{"isolation", "--samples", "40", "--rate", "200", "--hanging", "60", "--waiting", "30", "--conns", "4"},
		" alone ", " 60 hanging ", " 1 dead, 30 waiting ", "newcomers, accepted to arrived",
		"alone: memory", "60 hanging: accepted to arrived p99", "1 dead, 30 waiting: due to arrived p99")
}

func TestIdle(t *testing.T) {
	t.Parallel()
	short(t, []string{"idle", "--for", "20ms", "--settle", "0s", "--after", "10"},
		"fresh: ", "after 10 candidates: ", "idle memory: ", "idle processor time: ")
}

func TestNoEngine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := run(t.Context(), new(strings.Builder), new(strings.Builder), []string{"idle", "--binary", "/bin/false", "--dir", dir})
	if err == nil || !strings.Contains(err.Error(), "did not say where it listens") {
		t.Errorf("a binary that ends at once: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "usage: bench VERB"},
		{[]string{"fly"}, "usage: bench VERB"},
		{[]string{"rate", "--conns", "16,x"}, `"x" is not a whole number above 0: give a list like 16,64`},
		{[]string{"rate", "--count", "0"}, "3 rounds of 0 requests measure nothing: give at least 1 of each"},
		{[]string{"isolation", "--rate", "0"}, "10000 samples at 0/s beside 20000 calls waiting, over 64 connections, measure nothing"},
		{[]string{"idle", "--for", "0s"}, "0s after 5s and 20000 candidates measure nothing"},
		{[]string{"latency", "--for", "0s"}, "0s over 64 connections measure nothing: give more than 0 of each"},
	} {
		var out, errs strings.Builder
		err := run(context.Background(), &out, &errs, c.args)
		if err == nil || !strings.Contains(errs.String()+err.Error(), c.want) {
			t.Errorf("bench %q: %v, %s; want %q", c.args, err, &errs, c.want)
		}
	}
	if err := run(context.Background(), new(strings.Builder), new(strings.Builder), nil); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("no verb: %v", err)
	}
}
