package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"posthorn/bench/internal/contest"
	"posthorn/internal/broker"
)

func transports(ctx context.Context, out io.Writer, flags *flag.FlagSet, args []string) error {
	m := contest.Transports{}
	p := engine(flags)
	installed := installed(flags)
	limit(flags, &m.Limit)
	over := flags.String("over", "gochannel,nats,kafka,sqs", "transports, of which the first is the measure of the others")
	flags.IntVar(&m.Rounds, "rounds", 3, "runs over each transport")
	flags.IntVar(&m.Count, "count", 30_000, "measured requests of a run")
	flags.IntVar(&m.Conns, "conns", 64, "connections of the generator")
	flags.DurationVar(&m.For, "for", 20*time.Second, "how long the times are measured over each")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.Rounds < 1 || m.Count < 1 || m.Conns < 1 || m.For <= 0 {
		return fmt.Errorf("%d rounds of %d requests over %d connections, and times for %v, measure nothing: give more than 0 of each",
			m.Rounds, m.Count, m.Conns, m.For)
	}
	m.Engine = *p
	var end stops
	defer end.all()
	for name := range strings.SplitSeq(*over, ",") {
		t, stop, err := transport(ctx, name, *installed, p.Dir)
		if err != nil {
			return err
		}
		end = append(end, stop)
		m.Over = append(m.Over, t)
	}
	return m.Run(ctx, out)
}

type stops []func()

func (s *stops) all() {
	for _, stop := range *s {
		stop()
	}
}

// installed adds the flag that says where brokers are.
func installed(flags *flag.FlagSet) *string {
	return flags.String("brokers", cmp.Or(os.Getenv(broker.Variable), "bin/brokers"), "where brokers are installed (internal/broker/install.sh)")
}

// transport makes what is named ready, a broker over an empty directory below dir; stop ends and removes it.
func transport(ctx context.Context, name, installed, dir string) (t contest.Transport, stop func(), err error) {
	if name == "gochannel" {
		return contest.Transport{Name: name}, func() {}, nil
	}
	start, ok := brokers()[name]
	if !ok {
		return t, nil, fmt.Errorf("transport %.20q is refused: there is none of that name; name gochannel, nats, kafka or sqs", name)
	}
	data, err := contest.Posthorn{Dir: dir}.Workspace()
	if err != nil {
		return t, nil, err
	}
	at, end, err := start(ctx, absolute(filepath.Join(installed, name)), absolute(data))
	if err != nil {
		return t, nil, errors.Join(fmt.Errorf("%w; if it is not there, run internal/broker/install.sh %s %s", err, name, installed), os.RemoveAll(data))
	}
	at.Name = name
	return at, func() {
		end()
		_ = os.RemoveAll(data) // what is left there is of no use to anyone
	}, nil
}

// absolute is a path for a process that runs elsewhere.
func absolute(path string) string {
	if long, err := filepath.Abs(path); err == nil {
		return long
	}
	return path
}

// brokers start what is installed in a directory, with their data in another. Aims and promises are those of the project's plan.
func brokers() map[string]func(ctx context.Context, installed, data string) (contest.Transport, func(), error) {
	const carried = 100 * time.Millisecond
	return map[string]func(context.Context, string, string) (contest.Transport, func(), error){
		"nats": func(ctx context.Context, installed, data string) (t contest.Transport, end func(), err error) {
			b, err := broker.StartNATS(ctx, installed, data, 1)
			if err != nil {
				return t, nil, err
			}
			return contest.Transport{URL: b.URL(), PID: b.Nodes[0].PID(), Aim: 0.6, Carried: carried}, b.Close, nil
		},
		"kafka": func(ctx context.Context, installed, data string) (t contest.Transport, end func(), err error) {
			b, err := broker.StartKafka(ctx, installed, data, 1)
			if err != nil {
				return t, nil, err
			}
			return contest.Transport{URL: b.URL(), PID: b.Nodes[0].PID(), Aim: 0.5, Carried: carried}, b.Close, nil
		},
		"sqs": func(ctx context.Context, installed, _ string) (t contest.Transport, end func(), err error) {
			b, err := broker.StartSQS(ctx, installed, "") // in memory
			if err != nil {
				return t, nil, err
			}
			return contest.Transport{URL: b.URL(), PID: b.PID(), Aim: 0.25}, b.Close, nil
		},
	}
}
