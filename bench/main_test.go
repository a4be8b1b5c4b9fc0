package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets the test's own program be the forwarder, as bench starts it.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "forward" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestRate(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	err := run(t.Context(), &out, &errs, []string{"rate", "--rounds", "1", "--count", "300", "--conns", "2,4", "--limit", "20s"})
	if err != nil && !strings.HasPrefix(err.Error(), "VOID") { // so few requests say nothing, and the machine is busy
		t.Fatal(err)
	}
	for _, want := range []string{"   2  single-hop", "   2     two-hop", "   4  single-hop", "   4     two-hop", "two-hop, 4 connections: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	if err := run(t.Context(), &out, &errs, []string{"latency", "--rates", "500", "--for", "200ms", "--conns", "4", "--limit", "20s"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"due to sent", "due to accepted", "accepted to arrived", "due to arrived"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
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
