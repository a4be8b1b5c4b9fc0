package load

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthorn/harness"
)

// entrance is the public end of a tunnel to the receiver: another https server that is no more than its proxy.
func entrance(t *testing.T, to string) *httptest.Server {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{DisableKeepAlives: true} // it has no end to close them at
	s := httptest.NewTLSServer(proxy)
	t.Cleanup(s.Close)
	return s
}

func receive(t *testing.T) *harness.Receiver {
	t.Helper()
	return harness.NewReceiver(t)
}

// The program prints what such programs print, in the background of a shell, and waits.
func TestTunnel(t *testing.T) {
	t.Parallel()
	r := receive(t)
	public, other := entrance(t, r.URL()), httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	pid := filepath.Join(t.TempDir(), "pid")
	command := `sleep 60 & echo $! >` + pid + `
		echo "$URL $ADDR $HOST $PORT"
		echo "By using this you accept https://www.example.com/website-terms/ (docs: https://localhost:1)." >&2
		echo "2026-01-01 INF | ` + other.URL + ` |"
		echo '{"level":"info","url":"` + public.URL + `/"}' >&2
		wait`
	tunnel, err := OpenTunnel(t.Context(), command, r, public.Client())
	if err != nil {
		t.Fatal(err)
	}
	if tunnel.URL != public.URL {
		t.Errorf("found %s, not %s", tunnel.URL, public.URL)
	}
	at, _ := url.Parse(r.URL())
	tunnel.Close()
	if want := r.URL() + " " + at.Host + " " + at.Hostname() + " " + at.Port(); !strings.HasPrefix(tunnel.said.text(), `"`+want) {
		t.Errorf("the environment is not %s: %s", want, tunnel.said.text())
	}
	raw, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	poll, late := time.NewTicker(5*time.Millisecond), time.After(10*time.Second)
	defer poll.Stop()
	for alive(child) { // its output is closed before it is gone
		select {
		case <-poll.C:
		case <-late:
			t.Fatal("what the command started is still there")
		}
	}
}

// alive says whether the process runs; one that has ended and that nobody has waited for does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// Each file has what a program of that name prints, its own address being the one of quiet-otter-31. The stand-in prints it and goes on
// until its input ends, as ssh does. Of the other addresses none leads here, and its own does so from the second request on.
func TestTunnelPrograms(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/tunnels/*.txt")
	if err != nil || len(files) < 9 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			r, up := receive(t), false
			web := &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
				w := httptest.NewRecorder()
				own := req.URL.Scheme == "https" && strings.HasPrefix(req.URL.Host, "quiet-otter-31.")
				if own && up {
					r.ServeHTTP(w, req)
				} else {
					w.WriteHeader(http.StatusNotFound)
				}
				up = up || own
				return w.Result(), nil
			})}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			tunnel, err := OpenTunnel(ctx, "exec cat "+file+" -", r, web)
			if err != nil {
				t.Fatal(err)
			}
			tunnel.Close()
			if !regexp.MustCompile(`^https://quiet-otter-31\.[a-z0-9.-]+(:8080)?$`).MatchString(tunnel.URL) {
				t.Errorf("found %s", tunnel.URL)
			}
		})
	}
}

// What comes to the receiver by another way at the same time is no proof that a URL leads to it.
func TestTunnelIsProvedByItsOwnRequest(t *testing.T) {
	t.Parallel()
	r := receive(t)
	asked := 0
	web := &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
		asked++
		w := httptest.NewRecorder()
		old := req.Clone(req.Context())
		old.URL.Path = probePath + "old"
		r.ServeHTTP(w, old)
		return w.Result(), nil
	})}
	if leads(t.Context(), "https://elsewhere.example", r, web) || asked != 1 {
		t.Errorf("a late request of an earlier try was taken for one through the tunnel; %d were made", asked)
	}
}

func TestTunnelThatLeadsNowhere(t *testing.T) {
	t.Parallel()
	r := receive(t)
	if _, err := OpenTunnel(t.Context(), "echo no such account; exit 3", r, http.DefaultClient); err == nil ||
		!strings.Contains(err.Error(), "it ended\nexit status 3; it said: \"no such account\"; run it by hand") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	nobody := &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
		cancel() // enough
		return nil, errors.New("no way")
	})}
	if _, err := OpenTunnel(ctx, "echo https://localhost:1; sleep 60", r, nobody); err == nil ||
		!strings.Contains(err.Error(), "of 1 URLs none led here: context canceled") {
		t.Error(err)
	}
}

func TestRunThroughATunnel(t *testing.T) {
	t.Parallel()
	s := newShop(t, well)
	// The entrance must stand before the run has a receiver, so it is told where to lead by the command.
	file := filepath.Join(t.TempDir(), "url")
	proxy := &httputil.ReverseProxy{Transport: &http.Transport{DisableKeepAlives: true}, Rewrite: func(p *httputil.ProxyRequest) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		to, _ := url.Parse(strings.TrimSpace(string(raw)))
		p.SetURL(to)
	}}
	public := httptest.NewTLSServer(proxy)
	t.Cleanup(public.Close)
	trusting, ok := public.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatalf("the client's transport is a %T", public.Client().Transport)
	}
	trusting.MaxIdleConnsPerHost = 64
	s.client = public.Client()
	o := brief(s.target())
	o.Pace.Rate, o.Drain, o.TunnelClient, o.Tunnel = 200, time.Minute, public.Client(), "echo $URL >"+file+"; echo your url is: "+public.URL+"; exec sleep 60"
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK || r.Arrived != 40 || r.Strange.Count != 0 || !strings.HasPrefix(s.removed[0], public.URL) {
		t.Errorf("%v, %v at %v", r.Verdicts, r.Strange, s.removed)
	}
}
