package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Scheme is that of the URLs that ParseURL reads.
const Scheme = "kafka"

// Environment variables that ParseURL reads when the URL has the parameter sasl. They are not part of the URL because command lines are
// open to every user of a machine.
const (
	UsernameVariable = "POSTHORN_KAFKA_USERNAME"
	PasswordVariable = "POSTHORN_KAFKA_PASSWORD" //nolint:gosec // the name of a variable
)

const parameters = "partitions, replication, create, tls, ca, cert, key, sasl"

// ParseURL makes options of a URL like kafka://host:9092,host2:9092?partitions=12; a port that is left out is 9092. The parameters:
//
//	partitions=12     of a topic that is created
//	replication=-1    of a topic that is created; -1 is the broker's default
//	create=false      topics are only looked for
//	tls=true          encrypted, with the system's authorities
//	ca=FILE           encrypted, with the authorities in FILE (PEM)
//	cert=FILE         encrypted, and the client shows this certificate (PEM)
//	key=FILE          and has this key to it (PEM)
//	sasl=plain        logs in; or scram-sha-256, scram-sha-512
//
// Its errors name what was refused, and never a password.
func ParseURL(raw string) (Options, error) { return parse(raw, os.Getenv) }

func parse(raw string, getenv func(string) string) (Options, error) {
	hosts, query, _ := strings.Cut(strings.TrimPrefix(raw, Scheme+"://"), "?")
	var o Options
	var err error
	if o.Brokers, err = brokers(strings.TrimSuffix(hosts, "/")); err != nil {
		return Options{}, err
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return Options{}, refuse("the parameters", "they are not well-formed", "write them as name=value&name=value")
	}
	if err := o.set(values); err != nil {
		return Options{}, err
	}
	if o.SASL != "" {
		if o.Username, o.Password = getenv(UsernameVariable), getenv(PasswordVariable); o.Username == "" || o.Password == "" {
			return Options{}, refuse("sasl="+o.SASL, "there is no user or no password", "set "+UsernameVariable+" and "+PasswordVariable)
		}
	}
	return o, nil
}

// brokers splits hosts by comma. It is done by hand, because a URL has one host.
func brokers(hosts string) ([]string, error) {
	if strings.Contains(hosts, "@") { // which may be a password: it is not repeated
		return nil, refuse("the part before @", "a URL is no place for a password",
			"set "+UsernameVariable+" and "+PasswordVariable+", and add sasl=plain or another")
	}
	all := strings.Split(hosts, ",")
	for i, addr := range all {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			host, port = strings.Trim(addr, "[]"), "9092"
		}
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 || host == "" || strings.ContainsAny(host, "/ ") {
			return nil, refuse(fmt.Sprintf("broker %q", addr), "it is no host:port", "write kafka://host:9092,host2:9092")
		}
		all[i] = net.JoinHostPort(host, port)
	}
	return all, nil
}

// set takes over the parameters.
func (o *Options) set(values url.Values) (err error) {
	var files pems
	encrypted := false
	for name, all := range values {
		value := all[0]
		if len(all) > 1 {
			return refuse(name, "it is given more than once", "give it once")
		}
		switch name {
		case "partitions":
			o.Partitions, err = number(name, value, 1, 10_000)
		case "replication":
			o.Replication, err = number(name, value, -1, 100)
		case "create":
			var create bool
			create, err = boolean(name, value)
			o.NoCreate = !create
		case "tls":
			encrypted, err = boolean(name, value)
		case "ca":
			files.ca = value
		case "cert":
			files.cert = value
		case "key":
			files.key = value
		case "sasl":
			o.SASL = value
			_, err = login(*o)
		default:
			return refuse(fmt.Sprintf("parameter %q", name), "it is not known", "use "+parameters)
		}
		if err != nil {
			return err
		}
	}
	if encrypted || files != (pems{}) {
		o.TLS, err = files.load()
	}
	return err
}

func number(name, value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most || n == 0 {
		return 0, refuse(fmt.Sprintf("%s=%q", name, value), "it is no such number", fmt.Sprintf("give one from %d to %d", least, most))
	}
	return n, nil
}

func boolean(name, value string) (bool, error) {
	if !slices.Contains([]string{"true", "false"}, value) {
		return false, refuse(fmt.Sprintf("%s=%q", name, value), "it is neither true nor false", "give one of them")
	}
	return value == "true", nil
}

// pems are the files of a TLS configuration.
type pems struct{ ca, cert, key string }

func (p pems) load() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if p.ca != "" {
		text, err := os.ReadFile(p.ca)
		c.RootCAs = x509.NewCertPool()
		if err == nil && !c.RootCAs.AppendCertsFromPEM(text) {
			err = errors.New("it holds no certificate")
		}
		if err != nil {
			return nil, refuse(fmt.Sprintf("ca=%q", p.ca), err.Error(), "name a PEM file with the authorities' certificates")
		}
	}
	if p.cert != "" || p.key != "" {
		pair, err := tls.LoadX509KeyPair(p.cert, p.key)
		if err != nil {
			return nil, refuse(fmt.Sprintf("cert=%q and key=%q", p.cert, p.key), err.Error(), "name a PEM file with the certificate, and one with its key")
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func refuse(what, why, do string) error {
	return fmt.Errorf("kafka transport refused: %s: %s; %s", what, why, do)
}
