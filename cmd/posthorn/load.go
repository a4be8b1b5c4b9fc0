package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"posthorn/harness/load"
	"posthorn/harness/load/report"
)

// loadCmd puts a sender under load and judges what arrives.
type loadCmd struct {
	loadTargetFlags

	Rate      float64       `default:"100" help:"Messages to trigger a second, whatever the answers." placeholder:"N" short:"r"`
	Duration  time.Duration `default:"10s" help:"How long to trigger." short:"d"`
	Ramp      time.Duration `default:"0s" help:"Part of the duration in which the rate grows from nothing."`
	Companies int           `default:"1" help:"Companies to tell, in turn." placeholder:"N"`
	Webhooks  int           `default:"1" help:"Webhooks of each company." placeholder:"N"`
	Receivers int           `default:"1" help:"Addresses to spread the webhooks over." placeholder:"N"`
	Payload   int           `default:"100" help:"Bytes of text in each message." placeholder:"BYTES"`
	Faults    string        `help:"How receivers misbehave, as status=500:5%,delay=200ms:10%,hang:1%. A message is struck once; :5%:3 three times, :5%:all always." placeholder:"FAULTS"` //nolint:lll // a tag
	Seed      uint64        `default:"1" help:"Draws faults and payloads; the same seed draws the same." placeholder:"N"`
	Drain     time.Duration `default:"30s" help:"Give up what is still to come when nothing has come to its end for so long."`

	SLO    string `help:"What is demanded besides, as p99<250ms,accept.p99.9<=50ms,duplicated=0,rate>=1900." name:"slo" placeholder:"SLO"`
	Report string `help:"Write a page with charts." placeholder:"FILE.html" type:"path"`
	JSON   string `help:"Write the result as JSON." name:"json" placeholder:"FILE" type:"path"`
	JUnit  string `help:"Write the verdicts as JUnit XML." name:"junit" placeholder:"FILE" type:"path"`

	Listen    string `help:"Address for the receiver; without it each takes a free port of the loopback." placeholder:"ADDR"`
	Advertise string `help:"URL at which the sender reaches the receiver." placeholder:"URL"`
	Tunnel    string `help:"Command that makes the receiver reachable and prints its https URL, as 'cloudflared tunnel --url $URL'; $PORT, $HOST and $ADDR are set, too." placeholder:"COMMAND"` //nolint:lll // a tag
}

// loadTargetFlags say who is put under load.
type loadTargetFlags struct {
	Server      string          `aliases:"url" default:"http://127.0.0.1:8080" env:"POSTHORN_SERVER" help:"URL of the engine; --url is the same." placeholder:"URL"` //nolint:lll // a tag
	Key         string          `aliases:"api-key" env:"POSTHORN_API_KEY" help:"API key of the engine; --api-key is the same." placeholder:"KEY" secret:""`
	Target      string          `default:"v1" help:"v1 or seed, the routes of the engine to use, or a YAML file that describes another sender." placeholder:"v1|seed|FILE"` //nolint:lll // a tag
	Schedule    []time.Duration `default:"1s,2s,4s" help:"Waits between attempts that webhooks are registered with."`
	Timeout     time.Duration   `default:"5s" help:"Timeout of an attempt that webhooks are registered with."`
	Connections int             `default:"256" help:"Triggers under way at once." placeholder:"N"`
}

// Run makes a load run, and fails unless nothing was lost, every signature was right, and every demand was kept.
func (c *loadCmd) Run(p *program) error {
	client := load.NewClient(c.Connections)
	defer client.CloseIdleConnections()
	o, err := c.options(client)
	if err != nil {
		return exitWith(exitUsage, err)
	}
	if c.Listen != "" {
		if err := checkAddress(p.ctx, c.Listen); err != nil {
			return err
		}
	}
	files, err := c.create()
	if err != nil {
		return err
	}
	live := newLoadProgress(p.stderr)
	o.Progress = live.show
	result, err := load.Run(p.ctx, o)
	live.end()
	if err != nil {
		return errors.Join(loadError(p.ctx, err), files.discard())
	}
	return errors.Join(report.Text(p.stdout, result), files.write(result), verdict(result))
}

func (c *loadCmd) options(client *http.Client) (load.Options, error) {
	o := load.Options{
		Pace: load.Pace{Rate: c.Rate, Duration: c.Duration, Ramp: c.Ramp}, Companies: c.Companies, Webhooks: c.Webhooks,
		Receivers: c.Receivers, Payload: c.Payload, Seed: c.Seed, Schedule: c.Schedule, Timeout: c.Timeout, Connections: c.Connections,
		Drain: c.Drain, Listen: c.Listen, Advertise: c.Advertise, Tunnel: c.Tunnel,
	}
	if c.Companies < 1 || c.Webhooks < 1 || c.Receivers < 1 || c.Connections < 1 || c.Rate <= 0 || c.Duration <= 0 || c.Drain <= 0 {
		return o, errors.New("the load is refused: rate, duration, drain, companies, webhooks, receivers and connections are above 0; change it")
	}
	var err error
	if o.Faults, err = load.ParseFaults(c.Faults); err != nil {
		return o, err
	}
	if o.SLO, err = load.ParseSLO(c.SLO); err != nil {
		return o, err
	}
	if o.Target, err = c.target(client); err != nil {
		return o, err
	}
	return o, o.Check()
}

func (c *loadTargetFlags) target(client *http.Client) (load.Target, error) {
	server := load.Server{URL: c.Server, Key: c.Key, HTTP: client}
	switch c.Target {
	case "v1":
		return load.V1(server), nil
	case "seed":
		c.Schedule, c.Timeout = nil, 0 // its route takes none
		return load.Seed(server), nil
	}
	f, err := os.Open(c.Target)
	if err != nil {
		return load.Target{}, fmt.Errorf("target is refused: %w; it is v1, seed, or the name of a YAML file", err)
	}
	spec, err := load.ReadSpec(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return load.Target{}, err
	}
	return load.HTTP(spec, client)
}

// loadError gives the error of a run that did not begin its exit code.
func loadError(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return exitWith(exitFailed, fmt.Errorf("the run was interrupted before it began: %w", err))
	case errors.Is(err, load.ErrUnreachable):
		return exitWith(exitUnreachable, fmt.Errorf("%w; start it, or give its address with --url", err))
	default:
		return exitWith(exitFailed, err)
	}
}

// verdict is nil for a run that is OK. A sender that never answered is not one that lost something.
func verdict(r *load.Result) error {
	if r.OK {
		return nil
	}
	if refusal := r.Refusal(); r.Accepted == 0 && errors.Is(refusal, load.ErrUnreachable) {
		return exitWith(exitUnreachable, refusal)
	}
	failed := 0
	for _, v := range r.Verdicts {
		if !v.OK {
			failed++
		}
	}
	return fmt.Errorf("the run failed: %d of %d demands were not kept; see above", failed, len(r.Verdicts))
}

// loadFiles are made before the run, so that a name that cannot be written costs no run.
type loadFiles []loadFile

type loadFile struct {
	file  *os.File
	write func(io.Writer, *load.Result) error
}

func (c *loadCmd) create() (files loadFiles, err error) {
	for _, f := range []struct {
		name  string
		write func(io.Writer, *load.Result) error
	}{{c.Report, report.HTML}, {c.JSON, report.JSON}, {c.JUnit, report.JUnit}} {
		if f.name == "" {
			continue
		}
		file, err := os.Create(f.name)
		if err != nil {
			return nil, exitWith(exitCannotMake, errors.Join(fmt.Errorf("result file cannot be made: %w; give another name", err), files.discard()))
		}
		files = append(files, loadFile{file, f.write})
	}
	return files, nil
}

func (files loadFiles) write(r *load.Result) (err error) {
	for _, f := range files {
		err = errors.Join(err, f.write(f.file, r), f.file.Close())
	}
	return exitWith(exitIO, err)
}

// discard removes files that stay empty.
func (files loadFiles) discard() (err error) {
	for _, f := range files {
		err = errors.Join(err, f.file.Close(), os.Remove(f.file.Name()))
	}
	return err
}
