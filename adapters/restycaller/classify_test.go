package restycaller_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"posthorn/adapters/restycaller"
	"posthorn/ports"
)

// An authority signs certificates for the servers of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of the test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}

	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}

	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}

	return &authority{cert, key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)

	return pool
}

// sign makes a server's certificate for 127.0.0.1, after edit has changed what the test is about.
func (a *authority) sign(t *testing.T, edit func(*x509.Certificate)) tls.Certificate {
	t.Helper()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server of the test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if edit != nil {
		edit(template)
	}

	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}

	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func serveTLS(t *testing.T, config *tls.Config) string {
	t.Helper()

	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto) // a client that is gone fails the test itself
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would report the failed handshakes
	server.TLS = config
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)

	return server.URL
}

func TestTLS(t *testing.T) {
	t.Parallel()

	trusted, stranger := newAuthority(t), newAuthority(t)
	good := trusted.sign(t, nil)

	for name, test := range map[string]struct {
		config *tls.Config
		class  ports.Class
		says   string
	}{
		"trusted": {&tls.Config{Certificates: []tls.Certificate{good}}, ports.ClassOK, ""},
		"unknown authority": {
			&tls.Config{Certificates: []tls.Certificate{stranger.sign(t, nil)}},
			ports.ClassTLS, "certificate signed by unknown authority",
		},
		"expired": {&tls.Config{Certificates: []tls.Certificate{trusted.sign(t, func(c *x509.Certificate) {
			c.NotAfter = time.Now().Add(-time.Hour)
		})}}, ports.ClassTLS, "certificate has expired"},
		"another name": {&tls.Config{Certificates: []tls.Certificate{trusted.sign(t, func(c *x509.Certificate) {
			c.IPAddresses, c.DNSNames = nil, []string{"example.com"}
		})}}, ports.ClassTLS, "certificate"},
		"version too old": {
			&tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
			ports.ClassTLS, "protocol version",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c := openWith(t, restycaller.Options{AllowPrivate: true, RootCAs: trusted.pool()})
			r := c.Call(t.Context(), ports.Request{URL: serveTLS(t, test.config), Body: []byte("{}"), Timeout: time.Minute})

			if r.Class != test.class || !strings.Contains(r.Error, test.says) {
				t.Errorf("class %q, error %q; want class %q, and to read %q", r.Class, r.Error, test.class, test.says)
			}

			if test.class == ports.ClassOK && string(r.Body) != "HTTP/2.0" {
				t.Errorf("called by %q, want HTTP/2.0", r.Body)
			}
		})
	}
}

func TestHandshakeThatNeverEnds(t *testing.T) {
	t.Parallel()

	listener, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, and nobody ever answers
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = listener.Close() })

	c := openWith(t, restycaller.Options{AllowPrivate: true, ConnectTimeout: 50 * time.Millisecond})
	r := c.Call(t.Context(), ports.Request{URL: "https://" + listener.Addr().String(), Timeout: time.Minute})

	if r.Class != ports.ClassTimeout || !strings.Contains(r.Error, "could not be reached in time") {
		t.Errorf("class %q, error %q; want a timeout of the connection", r.Class, r.Error)
	}

	if r.Took > 10*time.Second {
		t.Errorf("took %s, want the 50 ms of ConnectTimeout", r.Took)
	}
}

func TestNameThatDoesNotResolve(t *testing.T) {
	t.Parallel()

	// Two dots in a row are no name: Go's resolver says so without asking a server.
	r := open(t).Call(t.Context(), ports.Request{URL: "http://no..name/secret?token=1", Timeout: time.Minute})

	want := "http://no..name was not found: its name does not resolve (no such host); check the name and its DNS"
	if r.Class != ports.ClassDNS || r.Error != want {
		t.Errorf("class %q, error %q; want %q", r.Class, r.Error, want)
	}
}

// No error holds what a URL or a redirect may hold of secrets, or control characters, or more than 512 bytes.
func TestErrorsAreCleanAndKeepSecrets(t *testing.T) {
	t.Parallel()

	locations := 1 // its length; one call at a time
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Location"] = []string{"http://user:hunter2@next/" + strings.Repeat("é", locations) + "?token=hunter2#hunter2"}
		locations += 400
		w.WriteHeader(http.StatusFound)
	}))
	t.Cleanup(server.Close)

	c := open(t)

	for _, url := range []string{
		strings.Replace(server.URL, "http://", "http://user:hunter2@", 1) + "/hunter2?token=hunter2",
		server.URL + "/hunter2?token=hunter2",
		"http://user:hunter2@127.0.0.1:1/hunter2?token=hunter2",
		"http://user:hunter2@no..name/hunter2?token=hunter2",
		"ftp://user:hunter2@127.0.0.1/hunter2?token=hunter2",
		"http://user:hunter2@127.0.0.1/%zz?token=hunter2",
		"http://user:hunter2@127.0.0.1/\x1b[31m?token=hunter2",
	} {
		r := c.Call(t.Context(), ports.Request{URL: url, Timeout: time.Minute})
		if r.Error == "" || len(r.Error) > 512 || strings.Contains(r.Error, "hunter2") || strings.ContainsAny(r.Error, "\x1b\r\n") {
			t.Errorf("call to %q: error %q", url, r.Error)
		}
	}
}
