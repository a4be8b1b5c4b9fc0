package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets the test's own program be what bench starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"forward", "count", "serve"}, os.Args[1]) {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// short runs a verb with little to measure, and looks for what it should print. So little says nothing of the engine, and the machine is
// busy, so that judgements may fail.
func short(t *testing.T, args []string, want ...string) {
	t.Helper()
	var out, errs strings.Builder
	dir := t.TempDir()
	if args[0] != "soak" { // which runs this program anyway
		args = append(args, "--binary", os.Args[0])
	}
	err := run(t.Context(), &out, &errs, append(args, "--dir", dir, "--limit", "30s"))
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

func TestTransports(t *testing.T) {
	t.Parallel()
	short(t, []string{"transports", "--over", "gochannel", "--rounds", "1", "--count", "100", "--conns", "4", "--for", "100ms"},
		" gochannel ", " 1.00 - ", "posthorn accepted to arrived", "posthorn at 100/s: accepted to arrived p50")
}

func TestIdle(t *testing.T) {
	t.Parallel()
	short(t, []string{"idle", "--for", "20ms", "--settle", "0s", "--after", "10"},
		"fresh: ", "after 10 candidates: ", "idle memory: ", "idle processor time: ")
}

func TestBacklog(t *testing.T) {
	t.Parallel()
	short(t, []string{"backlog", "--calls", "200", "--usual", "50", "--conns", "4"},
		"restart with 200 ready calls", " drained/s ", "first call after ", "memory: ", "drained at ")
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	short(t, []string{"webhooks", "--webhooks", "20", "--companies", "4"}, "20 webhooks of 4 companies, one message each", "memory: ")
}

func TestHistory(t *testing.T) {
	t.Parallel()
	short(t, []string{"history", "--most", "1100", "--samples", "20", "--pages", "3"},
		"ended calls accept", "accept and call first page", "middle page ", "of a webhook directory filled in", " 1000 ", " 1100 ",
		"scaled down: the promise is for 10000000 ended calls", "middle page: ", " of the cost with 1000 ended calls")
}

func TestDisk(t *testing.T) {
	t.Parallel()
	short(t, []string{"disk", "--calls", "20", "--settle", "20ms"},
		"log rows vault sum on disk directory", "a candidate, 1 webhook ", "a message, 10 webhooks ")
}

func TestFairness(t *testing.T) {
	t.Parallel()
	short(t, []string{"fairness", "--samples", "20", "--rate", "100", "--flood", "40", "--webhooks", "10", "--conns", "4"},
		" alone ", " floods of 40 ", "floods of 40: accepted to arrived p99", "alone: memory")
}

func TestOverload(t *testing.T) {
	t.Parallel()
	short(t, []string{"overload", "--for", "200ms", "--count", "50", "--conns", "50", "--rest", "10ms"},
		"offered/s sent accepted refused", "accepted calls lost, promised none", "calls repeated: ", " of the rate before, 10ms after the end")
}

func TestSoak(t *testing.T) {
	t.Parallel()
	short(t, []string{"soak", "--for", "1s", "--rate", "100", "--kills", "1"},
		"time goroutines files tables", "PASS 0 accepted calls lost over 1 kills", "PASS 0 calls ended otherwise than succeeded", "goroutines: ")
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
	dir := t.TempDir()
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
		{[]string{"backlog", "--calls", "15"}, "15 calls beside 50000 messages over 64 connections measure nothing"},
		{[]string{"webhooks", "--companies", "0"}, "100000 webhooks of 0 companies measure nothing"},
		{[]string{"history", "--most", "7"}, "7 ended calls, 20000 samples and 500 pages measure nothing"},
		{[]string{"disk", "--calls", "5"}, "5 calls settled for 5s measure nothing"},
		{[]string{"fairness", "--flood", "9"}, "beside floods of 9 calls for 10000 webhooks measure nothing"},
		{[]string{"overload", "--factor", "1"}, "1 times the rate of 30000 requests for 1m0s over 6000 connections measure nothing"},
		{[]string{"crash", "--kills", "0"}, "0 kills over 20000 candidates and 32 connections prove nothing: give at least 1 of each"},
		{[]string{"crash", "--sequential", "-1"}, "-1 sequential webhooks are refused: there is no such number of them; give 1 or more, 16 are usual"},
		{[]string{"fleet", "--transport", "nats", "--candidates", "0"}, "10 kills over 0 candidates and 32 connections prove nothing: give at least 1 of each"},
		{[]string{"fleet"}, `transport "" is refused: there is no such broker; give kafka, sqs or nats`},
		{[]string{"soak", "--rate", "0"}, "0 requests a second for 30m0s with 5 kills measure nothing"},
		{[]string{"transports", "--rounds", "0"}, "0 rounds of 30000 requests over 64 connections, and times for 20s, measure nothing"},
		{[]string{"transports", "--over", "pigeon", "--dir", dir}, `transport "pigeon" is refused: there is none of that name`},
		{[]string{"transports", "--over", "nats", "--brokers", dir, "--dir", dir}, "run internal/broker/install.sh nats " + dir},
		{[]string{"isolation", "--transport", "pigeon", "--dir", dir}, `transport "pigeon" is refused`},
		{[]string{"backup", "--for", "2s"}, "100000 candidates, and 2000 a second for 2s over 256 connections, leave no time for backups"},
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
