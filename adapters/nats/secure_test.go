package nats_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"posthorn/adapters/nats"
)

// A server that wants a certificate, a user and a password gets them; without, or with a wrong one, Health says why, and no password.
func TestTLSAndPassword(t *testing.T) {
	t.Parallel()
	files, pool, pair := certificates(t)
	s := newServer(t, func(o *server.Options) {
		o.Username, o.Password = "ada", "l%vel@ce"
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
		o.TLS, o.TLSTimeout = true, patience.Seconds()
	})
	with := "?ca=" + files + "/ca.pem&cert=" + files + "/cert.pem&key=" + files + "/key.pem"
	good := "tls://" + url.UserPassword("ada", s.o.Password).String() + "@" + s.addr() + with
	transport := openURL(t, good)
	if err := transport.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	messages, err := transport.Subscribe(t.Context(), "secure.tasks")
	if err != nil {
		t.Fatal(err)
	}
	publishAndReceive(t, transport, messages, "secure.tasks")

	for raw, want := range map[string]string{
		"tls://ada:wrong-secret@" + s.addr() + with: "Authorization Violation",
		"tls://" + s.addr() + with:                  "Authorization Violation",
		"tls://" + s.addr():                         "certificate signed by unknown authority",
	} {
		o, err := nats.ParseURL(raw)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		refused := open(t, o)
		health := refused.Health(t.Context())
		if err := refused.Close(); err != nil { // so that nothing is logged any more
			t.Error(err)
		}
		if health == nil || !strings.Contains(health.Error(), want) || !strings.Contains(log.String(), want) {
			t.Errorf("Health with %s = %v, want %s, there and in the log:\n%s", raw, health, want, log.String())
		}
		if strings.Contains(log.String()+health.Error(), "secret") {
			t.Errorf("the password is shown: %v\n%s", health, log.String())
		}
	}
}

func TestOpenRefusesFiles(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"tls://h?ca=missing", "tls://h?cert=missing&key=missing", "nats://h?creds=missing"} {
		o, err := nats.ParseURL(raw)
		if err != nil {
			t.Fatal(err)
		}
		_, err = nats.Open(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), "missing: no such file or directory; name PEM files in ca, cert and key") {
			t.Errorf("Open(%s) = %v", raw, err)
		}
	}
}

// certificates makes an authority, and a certificate of 127.0.0.1 that it has signed, as ca.pem, cert.pem and key.pem.
func certificates(t *testing.T) (dir string, pool *x509.CertPool, pair tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	itself := &x509.Certificate{ // its own authority
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, itself, itself, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	for name, content := range map[string][]byte{"ca.pem": cert, "cert.pem": cert, "key.pem": keyPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	if pair, err = tls.X509KeyPair(cert, keyPEM); err != nil {
		t.Fatal(err)
	}
	return dir, pool, pair
}
