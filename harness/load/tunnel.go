package load

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"posthorn/harness"
)

// A Tunnel is a program that makes a receiver reachable from elsewhere.
type Tunnel struct {
	// URL is where, without a slash at its end.
	URL string

	cmd  *exec.Cmd
	read sync.WaitGroup
	said tail
}

// OpenTunnel runs the command by sh, with $URL, $ADDR, $HOST and $PORT being the receiver's. Of the https URLs that it prints, on either
// output, the tunnel's is the one through which a request comes back to the receiver; the others are of its maker's documents. It fails if
// the command ends, or ctx, before there is such a URL. Any tunnel program will do that prints its URL:
//
//	cloudflared tunnel --url $URL
//	ngrok http $PORT --log stdout
//	ssh -R 80:$ADDR nokey@localhost.run
//	lt --port $PORT
func OpenTunnel(ctx context.Context, command string, r *harness.Receiver, client *http.Client) (*Tunnel, error) {
	at, err := url.Parse(r.URL())
	if err != nil {
		return nil, err
	}
	t := &Tunnel{cmd: exec.Command("sh", "-c", command)} //nolint:gosec,noctx // it is the person's own command; Close ends it
	t.cmd.Env = append(os.Environ(), "URL="+r.URL(), "ADDR="+at.Host, "HOST="+at.Hostname(), "PORT="+at.Port())
	inGroup(t.cmd) // Ctrl-C is for us, and Close ends what the shell started too
	reader, writer := io.Pipe()
	t.cmd.Stdout, t.cmd.Stderr = writer, writer
	t.cmd.WaitDelay = time.Second
	if _, err := t.cmd.StdinPipe(); err != nil { // left open, for ssh ends at the end of its input
		return nil, fmt.Errorf("tunnel %.100q did not start: %w", command, err)
	}
	if err := t.cmd.Start(); err != nil {
		return nil, fmt.Errorf("tunnel %.100q did not start: %w; correct it", command, err)
	}
	urls := make(chan string)
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	t.read.Go(func() { t.scan(stop, reader, urls) }) // ends with the output, which Close ends
	ended := make(chan error, 1)
	t.read.Go(func() {
		ended <- t.cmd.Wait()
		_ = writer.Close()
	})
	if t.URL, err = firstThatLeads(ctx, urls, ended, r, client); err != nil {
		cancel()
		t.Close()
		return nil, fmt.Errorf("tunnel %.100q made no way to the receiver: %w; it said: %s; run it by hand to see why", command, err, t.said.text())
	}
	return t, nil
}

// Close ends the program and all that it started: politely, and after 3 s by force. It returns when they have ended.
func (t *Tunnel) Close() {
	endGroup(t.cmd, false)
	kill := time.AfterFunc(3*time.Second, func() { endGroup(t.cmd, true) })
	t.read.Wait()
	kill.Stop()
}

// httpsURL matches what tunnel programs print, also in colours: none has a path, a query or a user in it.
var httpsURL = regexp.MustCompile(`https://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?(?:/[^\x00-\x20"'<>|]*)?`)

// scan hands over each address that has no path, once, and keeps the last lines. When nobody wants URLs any more it goes on reading, for a
// program whose output is not read stops.
func (t *Tunnel) scan(ctx context.Context, output io.Reader, urls chan<- string) {
	defer close(urls)
	seen := map[string]bool{}
	lines := bufio.NewReader(output)
	for {
		line, err := lines.ReadString('\n')
		t.said.add(line)
		for _, found := range httpsURL.FindAllString(line, -1) {
			found = strings.TrimRight(found, "/.,;)")
			if u, err := url.Parse(found); err != nil || u.Path != "" || seen[found] || ctx.Err() != nil {
				continue
			}
			seen[found] = true
			select {
			case urls <- found:
			case <-ctx.Done():
			}
		}
		if err != nil {
			return
		}
	}
}

// Below probePath is asked for through a tunnel, each time for another name; a delivery there is not of the run.
const probePath = "/.load-tunnel-probe/"

func isProbe(d harness.Delivery) bool { return strings.HasPrefix(d.Path, probePath) }

// firstThatLeads asks each URL, again and again, until one leads to the receiver: a tunnel may print its URL before it is up.
func firstThatLeads(ctx context.Context, urls <-chan string, ended <-chan error, r *harness.Receiver, client *http.Client) (string, error) {
	var tried []string
	pause := 100 * time.Millisecond
	again := time.NewTimer(pause)
	defer again.Stop()
	for {
		select {
		case u, ok := <-urls:
			if !ok {
				urls = nil
				continue
			}
			tried = append(tried, u)
			if leads(ctx, u, r, client) {
				return u, nil
			}
		case <-again.C:
			for _, u := range tried {
				if leads(ctx, u, r, client) {
					return u, nil
				}
			}
			pause = min(2*pause, 2*time.Second)
			again.Reset(pause)
		case err := <-ended:
			return "", errors.Join(errors.New("it ended"), err)
		case <-ctx.Done():
			return "", fmt.Errorf("of %d URLs none led here: %w", len(tried), context.Cause(ctx))
		}
	}
}

func leads(ctx context.Context, base string, r *harness.Receiver, client *http.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	path := probePath + rand.Text() // what comes late through another tunnel is not taken for this one
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return r.Endpoint(path).Account().Deliveries > 0
}

// A tail keeps the last of a text.
type tail struct {
	mu   sync.Mutex
	last string
}

func (t *tail) add(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last += text
	t.last = t.last[max(0, len(t.last)-500):]
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("%.500q", strings.TrimSpace(t.last))
}
