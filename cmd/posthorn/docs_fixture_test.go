package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthorn/adapters/httpclient"
	"posthorn/engine"
)

// A docRun runs the commands of a page, with the engine and the data that TestDocsCommands promises.
type docRun struct {
	*testing.T

	dir   string
	place *strings.Replacer // puts free ports and the directory into a command
	serve string            // the command that starts the engine
	now   *background       // the engine that runs
	env   string            // file of the variables
	told  string            // address of the engine
}

func newDocRun(t *testing.T) *docRun {
	t.Helper()
	d := &docRun{T: t, dir: t.TempDir(), told: freePort(t), serve: "posthorn serve --dev --data data --listen 127.0.0.1:8080"}
	d.env = filepath.Join(t.TempDir(), "env")
	d.place = strings.NewReplacer("127.0.0.1:8080", d.told, "127.0.0.1:9000", freePort(t), "127.0.0.1:9001", freePort(t), "127.0.0.1:9002", freePort(t),
		"/var/lib/posthorn", "data", "posthorn-data", "data")
	d.start()
	d.fill()
	return d
}

// fill makes the first data, and the variables that name it.
func (d *docRun) fill() {
	d.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	d.Cleanup(receiver.Close)
	client, err := httpclient.New("http://"+d.told, httpclient.Options{})
	d.check(err)
	webhook := func(path, events string, schedule ...time.Duration) string {
		w, err := client.RegisterWebhook(d.Context(), engine.NewWebhook{Company: "42", URL: receiver.URL + path, EventTypes: []string{events}, Schedule: schedule})
		d.check(err)
		return w.ID
	}
	publish := func(event string) string {
		m, err := client.Publish(d.Context(), engine.NewMessage{Company: "42", EventType: event, Data: []byte(`{"n":7}`)})
		d.check(err)
		return m.ID
	}
	well := webhook("/", "invoice.*")
	webhook("/down", "shipment.*", []time.Duration{}...)
	webhook("/down", "parcel.*", time.Hour)
	candidate, err := client.CreateCandidate(d.Context(), engine.NewCandidate{Company: "42", Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace"})
	d.check(err)
	message := publish("invoice.paid")
	publish("shipment.sent")
	publish("parcel.sent")
	failed, pending, at := d.awaitCalls(client)
	d.check(os.WriteFile(d.env, fmt.Appendf(nil, "export COMPANY=42 WEBHOOK=%s CANDIDATE=%s MESSAGE=%s CALL=%s PENDING=%s AT=%s POSTHORN_SERVER=http://%s POSTHORN_DATA=%s\n",
		well, candidate.ID, message, failed, pending, at.Format(time.RFC3339), d.told, filepath.Join(d.dir, "data")), 0o600))
}

// awaitCalls waits until every call has been attempted. at is the next whole second after it.
func (d *docRun) awaitCalls(client *httpclient.Client) (failed, pending string, at time.Time) {
	d.Helper()
	attempted := map[string]string{}
	for event, err := range client.FollowCompany(d.Context(), "42", 0) {
		d.check(err)
		call := regexp.MustCompile(`"call":"(call_\w+)"`).FindSubmatch(event.Data)
		switch event.Type {
		case "CallAttempted":
			attempted[string(call[1])] = event.Type
		case "CallFailed", "CallSucceeded":
			attempted[string(call[1])] = event.Type
		}
		at = event.At
		if len(attempted) == 3 && strings.Count(fmt.Sprint(attempted), "CallAttempted") == 1 {
			break
		}
	}
	for call, kind := range attempted {
		switch kind {
		case "CallFailed":
			failed = call
		case "CallAttempted":
			pending = call
		}
	}
	return failed, pending, at.Truncate(time.Second).Add(time.Second)
}

func (d *docRun) check(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

var shellScript = regexp.MustCompile(`(?m) & |&\s*(#.*)?$|^\w+\(\) \{`)

// block runs the commands of a block.
func (d *docRun) block(b string) {
	d.Helper()
	if shellScript.MatchString(b) {
		if strings.Contains(b, "posthorn serve") {
			d.stop()
		}
		d.run(b)
		return
	}
	for command := range strings.Lines(b) {
		command = strings.TrimSpace(command)
		switch {
		case strings.HasPrefix(command, "posthorn serve "):
			d.stop()
			d.serve = command
			d.start()
		case strings.HasPrefix(command, "posthorn listen "):
			d.background(command)
		case strings.HasPrefix(command, "posthorn ") && strings.Contains(command, " --data "):
			d.stop()
			d.run(command)
		default:
			d.start()
			d.run(command)
		}
	}
}

// run runs a script with the page's variables, and keeps what it exports.
func (d *docRun) run(script string) {
	d.Helper()
	const around = "set -eu\n. %[1]s\ncurl() { command curl -fsS \"$@\"; }\nset -a\n%[2]s\nexport -p >%[1]s"
	cmd := d.command(fmt.Sprintf(around, d.env, script), time.Minute)
	if out, err := cmd.CombinedOutput(); err != nil {
		d.Errorf("%s\nended with %v and said\n%s", script, err, out)
	}
}

// command makes a bash that ends, with all that it has started, when the time is over.
func (d *docRun) command(script string, within time.Duration) *exec.Cmd {
	ctx, cancel := context.WithTimeout(d.Context(), within)
	d.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "bash", "-c", d.place.Replace(script))
	cmd.Dir = d.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// A background is a server of a page.
type background struct {
	*exec.Cmd

	said  *bytes.Buffer
	ended chan error
}

// background starts a server and waits until it listens.
func (d *docRun) background(command string) *background {
	d.Helper()
	b := &background{Cmd: d.command("exec "+command, 2*time.Minute), said: new(bytes.Buffer), ended: make(chan error, 1)}
	b.Stdout, b.Stderr = b.said, b.said
	d.check(b.Start())
	go func() { b.ended <- b.Wait() }() // ends with the process, at the latest with the test
	d.Cleanup(func() { _ = b.end() })
	address := regexp.MustCompile(`--listen (\S+)`).FindStringSubmatch(d.place.Replace(command))
	if address == nil {
		d.Fatalf("%s: the test cannot know when it listens; give it --listen", command)
	}
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		if c, err := net.Dial("tcp", address[1]); err == nil {
			d.check(c.Close())
			return b
		}
		select {
		case err := <-b.ended:
			b.ended <- err
			d.Fatalf("%s ended with %v and said\n%s", command, err, b.said)
		case <-d.Context().Done():
			d.Fatalf("%s does not listen", command)
		case <-poll.C:
		}
	}
}

// end sends SIGTERM and waits.
func (b *background) end() error {
	_ = b.Process.Signal(syscall.SIGTERM) // it may have ended
	err := <-b.ended
	b.ended <- err
	return err
}

// start starts the engine unless it runs. It listens before it opens, and answers behind that.
func (d *docRun) start() {
	d.Helper()
	if d.now != nil {
		return
	}
	d.now = d.background(d.serve)
	ask, err := http.NewRequestWithContext(d.Context(), http.MethodGet, "http://"+d.told+"/healthz", nil)
	d.check(err)
	answer, err := http.DefaultClient.Do(ask)
	d.check(err)
	d.check(answer.Body.Close())
}

// stop stops the engine if it runs.
func (d *docRun) stop() {
	d.Helper()
	if d.now == nil {
		return
	}
	var ended *exec.ExitError
	if err := d.now.end(); errors.As(err, &ended) {
		d.Errorf("%s ended with %v and said\n%s", d.serve, err, d.now.said)
	}
	d.now = nil
}
