package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// TLS is the kind of certificate that a receiver shows.
type TLS string

// The kinds. All but SelfSigned are signed by an authority of the receiver's own, which [Receiver.TLSConfig] trusts; so a client
// that has it refuses the others for the one reason that they are named after.
const (
	NoTLS      TLS = ""            // plain HTTP
	Trusted    TLS = "trusted"     // for the address that is listened on, the loopback addresses and localhost
	SelfSigned TLS = "self-signed" // signed by nobody else, so trusted by nobody
	Expired    TLS = "expired"     // ended an hour before the receiver started
	WrongName  TLS = "wrong-name"  // for wrong.invalid only
)

// An authority is what a receiver with TLS serves and is trusted by. It lives in memory and ends with the receiver.
type authority struct {
	pem    []byte
	pool   *x509.CertPool
	served tls.Certificate
}

// newAuthority makes an authority and a certificate of the kind for the host. ECDSA P-256 takes well under a millisecond.
func newAuthority(kind TLS, host string) (*authority, error) {
	now := time.Now()
	root, rootKey, err := certify(&x509.Certificate{
		Subject: pkix.Name{CommonName: "ephemeral webhook receiver"}, NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		Subject: pkix.Name{CommonName: host}, NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if ip := net.ParseIP(host); ip != nil {
		leaf.IPAddresses = append(leaf.IPAddresses, ip)
	} else {
		leaf.DNSNames = append(leaf.DNSNames, host)
	}
	signer, signerKey := root, rootKey
	switch kind {
	case Trusted, NoTLS:
	case SelfSigned:
		signer, signerKey = nil, nil
	case Expired:
		leaf.NotAfter = now.Add(-time.Hour)
	case WrongName:
		leaf.DNSNames, leaf.IPAddresses = []string{"wrong.invalid"}, nil
	default:
		return nil, fmt.Errorf("TLS %.40q refused: there is no such kind; give one of %s, %s, %s, %s", kind, Trusted, SelfSigned, Expired, WrongName)
	}
	served, key, err := certify(leaf, signer, signerKey)
	if err != nil {
		return nil, err
	}
	a := &authority{
		pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}), pool: x509.NewCertPool(),
		served: tls.Certificate{Certificate: [][]byte{served.Raw}, PrivateKey: key},
	}
	a.pool.AddCert(root)
	return a, nil
}

// certify makes a key and a certificate for it, signed by the signer, or by itself if there is none.
func certify(template, signer *x509.Certificate, signerKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	if signer == nil {
		signer, signerKey = template, key
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		return nil, nil, fmt.Errorf("make a serial number: %w", err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, signer, &key.PublicKey, signerKey)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate: %w", err)
	}
	made, err := x509.ParseCertificate(raw)
	return made, key, err
}

// TLSConfig is for clients of the receiver: it trusts the authority that signed its certificate, and nobody else. It is nil for a
// receiver without TLS, and the caller's to change.
func (r *Receiver) TLSConfig() *tls.Config {
	if r.authority == nil {
		return nil
	}
	return &tls.Config{RootCAs: r.authority.pool, MinVersion: tls.VersionTLS12}
}

// CA is the authority's certificate in PEM, for clients that are not in Go: curl --cacert FILE, or SSL_CERT_FILE for a Go program.
// It is nil for a receiver without TLS.
func (r *Receiver) CA() []byte {
	if r.authority == nil {
		return nil
	}
	return append([]byte(nil), r.authority.pem...)
}
