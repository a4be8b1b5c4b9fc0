package nats

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// The environment variables that [ParseURL] heeds for what its URL does not say.
const (
	userVariable        = "POSTHORN_NATS_USER"
	passwordVariable    = "POSTHORN_NATS_PASSWORD" //nolint:gosec // a name, no password
	credentialsVariable = "POSTHORN_NATS_CREDS"    //nolint:gosec // a name, no secret
)

// ParseURL returns the options that a URL names:
//
//	nats://[user:password@]host[:4222][,host[:4222]...][?parameter=value&...]
//
// The scheme tls:// demands an encrypted connection; with nats:// it is encrypted if the server asks for that. The parameters:
//
//	replicas=3             how many servers keep each stream that is created, 1 to 5
//	create=false           create no stream and no consumer
//	ca=FILE                who may have signed the server's certificate
//	cert=FILE key=FILE     the certificate to show, and its key
//	creds=FILE             a credentials file
//
// User and password may be in POSTHORN_NATS_USER and POSTHORN_NATS_PASSWORD instead, and the path of the credentials file in
// POSTHORN_NATS_CREDS; what the URL says has precedence. Errors hold no password. A Logger is not set.
func ParseURL(raw string) (Options, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || scheme != "nats" && scheme != "tls" {
		return Options{}, errors.New("URL of NATS refused: it does not begin with nats:// or tls://; write nats://host:4222")
	}
	authority, query, _ := strings.Cut(rest, "?")
	authority = strings.TrimSuffix(authority, "/")
	var o Options
	if at := strings.LastIndexByte(authority, '@'); at >= 0 { // url.Parse would show the password in its error
		if err := o.setUser(authority[:at]); err != nil {
			return Options{}, err
		}
		authority = authority[at+1:]
	} else if name, _, _ := strings.Cut(query, "="); strings.Contains(name, "@") {
		return Options{}, o.setUser("") // a ? in the password
	}
	for server := range strings.SplitSeq(authority, ",") {
		u, err := url.Parse(scheme + "://" + server)
		if err != nil || u.Hostname() == "" || u.Host != server {
			host, _, _ := strings.Cut(server, ":") // a password may stand behind it
			return Options{}, fmt.Errorf("URL of NATS refused: %q is no server; write host or host:4222, several with commas between", cut(host))
		}
		o.Servers = append(o.Servers, u.String())
	}
	if err := o.setParameters(query); err != nil {
		return Options{}, err
	}
	o.setEnvironment()
	return o, o.validate()
}

// cut shortens what a message quotes.
func cut(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

func (o *Options) setUser(info string) error {
	user, password, _ := strings.Cut(info, ":")
	var err, err2 error
	o.User, err = url.PathUnescape(user)
	o.Password, err2 = url.PathUnescape(password)
	if err != nil || err2 != nil || o.User == "" || o.Password == "" {
		return fmt.Errorf("URL of NATS refused: what stands before the @ is no user and password; "+
			"write user:password with %%40 for @ and so on, or set %s and %s", userVariable, passwordVariable)
	}
	return nil
}

// setParameters sets what the query says. Values are quoted in errors: none of them is secret.
func (o *Options) setParameters(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("parameters of the URL of NATS refused: %w; write name=value with & between", err)
	}
	files := map[string]*string{"ca": &o.CA, "cert": &o.Certificate, "key": &o.Key, "creds": &o.Credentials}
	for name, all := range values {
		value, file := all[0], files[name]
		switch {
		case len(all) > 1:
			err = fmt.Errorf("parameter %s of NATS refused: it is there %d times; give it once", cut(name), len(all))
		case value == "":
			err = fmt.Errorf("parameter %s of NATS refused: it is empty; give it a value, or leave it out", cut(name))
		case file != nil:
			*file = value
		case name == "replicas":
			if o.Replicas, err = strconv.Atoi(value); err != nil || o.Replicas < 1 {
				err = fmt.Errorf("replicas=%s refused: it is no number from 1 to 5; choose 1 or 3", cut(value))
			}
		case name == "create" && (value == "true" || value == "false"):
			o.NoCreate = value == "false"
		case name == "create":
			err = fmt.Errorf("create=%s refused: it is neither true nor false; write create=false to create nothing", cut(value))
		default:
			known := append(slices.Sorted(maps.Keys(files)), "create", "replicas")
			err = fmt.Errorf("parameter %s refused: NATS has no such parameter; use %s", cut(name), strings.Join(known, ", "))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// setEnvironment sets what the environment says and the URL does not.
func (o *Options) setEnvironment() {
	if o.User == "" && o.Credentials == "" {
		o.User, o.Password = os.Getenv(userVariable), os.Getenv(passwordVariable)
		o.Credentials = os.Getenv(credentialsVariable)
	}
}
