package harness_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthorn/harness"
)

// clientOf trusts the receiver, and speaks HTTP/2 if it is let.
func clientOf(t *testing.T, r *harness.Receiver, protocols ...func(*http.Protocols)) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: r.TLSConfig()}
	if len(protocols) > 0 {
		transport.Protocols = new(http.Protocols)
	}
	for _, p := range protocols {
		p(transport.Protocols)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func http1(p *http.Protocols)  { p.SetHTTP1(true) }
func http2(p *http.Protocols)  { p.SetHTTP2(true) }
func clear2(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }

func TestProtocols(t *testing.T) {
	t.Parallel()
	only1 := new(http.Protocols)
	only1.SetHTTP1(true)
	plain2 := new(http.Protocols)
	plain2.SetUnencryptedHTTP2(true)
	cases := []struct {
		name    string
		options harness.Options
		client  func(*http.Protocols)
		want    string
	}{
		{"HTTP/1.1", harness.Options{}, http1, "HTTP/1.1"},
		{"HTTP/2 in the clear", harness.Options{Protocols: plain2}, clear2, "HTTP/2.0"},
		{"HTTP/1.1 over TLS", harness.Options{TLS: harness.Trusted}, http1, "HTTP/1.1"},
		{"HTTP/2 over TLS", harness.Options{TLS: harness.Trusted}, http2, "HTTP/2.0"},
		{"both are asked for, one is spoken", harness.Options{TLS: harness.Trusted, Protocols: only1}, func(p *http.Protocols) {
			http1(p)
			http2(p)
		}, "HTTP/1.1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.options.Secret = secret
			r := start(t, c.options)
			if status := send(t, clientOf(t, r, c.client), r.URL()+"/hook", "msg_1"); status != http.StatusNoContent {
				t.Errorf("answered %d", status)
			}
			if d := r.Deliveries()[0]; d.Proto != c.want || !d.Verified() {
				t.Errorf("spoke %s, want %s: %v", d.Proto, c.want, d)
			}
		})
	}
}

// Each kind of certificate is refused for the one reason that it is named after, and nothing is delivered.
func TestCertificates(t *testing.T) {
	t.Parallel()
	cases := []struct {
		kind harness.TLS
		is   func(error) bool
	}{
		{harness.SelfSigned, is[x509.UnknownAuthorityError]},
		{harness.Expired, func(err error) bool {
			var invalid x509.CertificateInvalidError
			return errors.As(err, &invalid) && invalid.Reason == x509.Expired
		}},
		{harness.WrongName, is[x509.HostnameError]},
	}
	for _, c := range cases {
		t.Run(string(c.kind), func(t *testing.T) {
			t.Parallel()
			r := start(t, harness.Options{TLS: c.kind})
			resp, err := clientOf(t, r).Do(request(t, r.URL(), "msg_1", "{}", time.Now()))
			if err == nil {
				_ = resp.Body.Close()
			}
			if !c.is(err) {
				t.Errorf("error %v", err)
			}
			// A client that trusts anybody gets through, so that was the only fault.
			lax := clientOf(t, r)
			lax.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
			send(t, lax, r.URL(), "msg_2")
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if a := r.Account("msg_2"); a.Deliveries != 1 || a.Broken != 1 || !a.OK() {
				t.Errorf("%v", a)
			}
		})
	}
}

func is[E error](err error) bool {
	var target E
	return errors.As(err, &target)
}

func TestTLSOptions(t *testing.T) {
	t.Parallel()
	if r := start(t, harness.Options{}); r.TLSConfig() != nil || r.CA() != nil {
		t.Error("plain HTTP has an authority")
	}
	_, err := harness.Start(t.Context(), harness.Options{TLS: "best"})
	if err == nil || err.Error() != `TLS "best" refused: there is no such kind; give one of trusted, self-signed, expired, wrong-name` {
		t.Errorf("error %v", err)
	}
	r := start(t, harness.Options{TLS: harness.Trusted, Listen: "localhost:0"})
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(r.CA()) {
		t.Fatalf("not PEM: %s", r.CA())
	}
	client := clientOf(t, r)
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}
	send(t, client, strings.Replace(r.URL(), "127.0.0.1", "localhost", 1), "msg_1") // named as it was listened on
}

// The faults, where a connection carries many requests.
func TestFaultsOverHTTP2(t *testing.T) {
	t.Parallel()
	r := start(t, harness.Options{TLS: harness.Trusted})
	client := clientOf(t, r, http2)
	r.Reply(harness.Reply{Fault: harness.Reset}, harness.Reply{Fault: harness.Truncate, Body: "whole"}, harness.Reply{Fault: harness.Hang})
	if _, err := exchange(client, request(t, r.URL(), "msg_1", "{}", time.Now())); err == nil {
		t.Error("a reset stream was answered")
	}
	if got, err := exchange(client, request(t, r.URL(), "msg_1", "{}", time.Now())); err == nil || got.body != "wh" {
		t.Errorf("of a truncated answer came %q, %v", got.body, err)
	}
	hung := make(chan error)
	req := request(t, r.URL(), "msg_1", "{}", time.Now())
	go func() {
		_, err := exchange(client, req)
		hung <- err
	}()
	if err := r.Await(soon(t), 3); err != nil {
		t.Fatal(err)
	}
	if send(t, client, r.URL(), "msg_2"); r.UnderWay() < 1 {
		t.Error("the hanging request is not under way")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-hung; err == nil {
		t.Error("a request that hung was answered")
	}
	if n := r.UnderWay(); n != 0 {
		t.Errorf("after Close %d are under way", n)
	}
}

func TestResetOverTLS(t *testing.T) {
	t.Parallel()
	r := start(t, harness.Options{TLS: harness.Trusted})
	r.Reply(harness.Reply{Fault: harness.Reset})
	_, err := exchange(clientOf(t, r, http1), request(t, r.URL(), "msg_1", "{}", time.Now()))
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("error %v, want a reset connection", err)
	}
}
