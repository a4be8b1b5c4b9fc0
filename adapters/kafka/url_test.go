package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func environment(name string) string {
	return map[string]string{UsernameVariable: "ada", PasswordVariable: "p4ssw0rd"}[name]
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]Options{
		"kafka://host":                                   {Brokers: []string{"host:9092"}},
		"kafka://a:1,b:2/?":                              {Brokers: []string{"a:1", "b:2"}},
		"kafka://[::1]:9094,[::2]":                       {Brokers: []string{"[::1]:9094", "[::2]:9092"}},
		"kafka://a?partitions=3&create=true":             {Brokers: []string{"a:9092"}, Partitions: 3},
		"kafka://a?replication=-1":                       {Brokers: []string{"a:9092"}, Replication: -1},
		"kafka://a?create=false&replication=3&tls=false": {Brokers: []string{"a:9092"}, Replication: 3, NoCreate: true},
		"kafka://a?sasl=scram-sha-512":                   {Brokers: []string{"a:9092"}, SASL: "scram-sha-512", Username: "ada", Password: "p4ssw0rd"},
	} {
		got, err := parse(raw, environment)
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Options{}, "TLS", "Logger")); err != nil || diff != "" || got.TLS != nil {
			t.Errorf("%s: %v, TLS %v, %s", raw, err, got.TLS != nil, diff)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"kafka://":                            `broker ""`,
		"kafka://a:0":                         `broker "a:0"`,
		"kafka://a:http,b":                    `broker "a:http"`,
		"kafka://a/topic":                     `broker "a/topic"`,
		"kafka://ada:s3cret@a":                UsernameVariable,
		"kafka://a?partitons=3":               `parameter "partitons"`,
		"kafka://a?partitions=0":              `partitions="0"`,
		"kafka://a?partitions=1&partitions=2": "more than once",
		"kafka://a?replication=x":             `replication="x"`,
		"kafka://a?create=no":                 `create="no"`,
		"kafka://a?sasl=gssapi":               `"gssapi"`,
		"kafka://a?ca=/does/not/exist":        `ca="/does/not/exist"`,
		"kafka://a?ca=/dev/null":              "no certificate",
		"kafka://a?cert=/does/not/exist":      `cert="/does/not/exist"`,
		"kafka://a?%zz":                       "not well-formed",
	} {
		if _, err := parse(raw, environment); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want an error with %s and without the password", raw, err, want)
		}
	}
	if _, err := parse("kafka://a?sasl=plain", func(string) string { return "" }); err == nil || !strings.Contains(err.Error(), PasswordVariable) {
		t.Errorf("sasl without a password: %v", err)
	}
}

func TestParseURLReadsCertificates(t *testing.T) {
	t.Parallel()
	cert, key := pair(t)
	got, err := parse("kafka://a?ca="+cert+"&cert="+cert+"&key="+key, environment)
	if err != nil || got.TLS == nil || got.TLS.RootCAs == nil || len(got.TLS.Certificates) != 1 {
		t.Errorf("%+v, %v", got.TLS, err)
	}
	if got, err := parse("kafka://a?tls=true", environment); err != nil || got.TLS == nil || got.TLS.RootCAs != nil {
		t.Errorf("tls=true: %+v, %v, want the system's authorities", got.TLS, err)
	}
}

// pair writes a certificate for 127.0.0.1, which is its own authority, and its key.
func pair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: public}, key: {Type: "PRIVATE KEY", Bytes: bytes}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
