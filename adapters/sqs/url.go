package sqs

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// ParseURL reads options of a URL like
//
//	sqs://us-east-1
//	sqs://us-east-1?endpoint=http://127.0.0.1:9324
//	sqs:?create=false
//
// whose host is the region. Parameters: endpoint (an http or https URL; a question mark or an ampersand in it is escaped), and
// create (true or false; true by default).
func ParseURL(raw string) (Options, error) {
	u, err := url.Parse(raw)
	if err != nil { // the error would repeat raw
		return Options{}, refused("it is no URL", "write sqs://us-east-1?endpoint=http://127.0.0.1:9324")
	}
	switch {
	case u.Scheme != "sqs":
		return Options{}, refused(fmt.Sprintf("its scheme is %q", u.Scheme), "begin it with sqs:")
	case u.User != nil:
		return Options{}, refused("it has credentials", "give them by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile, as for any program of AWS")
	case u.Opaque != "" || strings.Trim(u.Path, "/") != "" || u.Port() != "" || u.Fragment != "":
		return Options{}, refused("it has more than a region and parameters", "write sqs://us-east-1, and a server's address as endpoint=")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Options{}, refused("its parameters are ill-formed", "separate them by &, and escape what is no letter")
	}
	o := Options{Region: u.Hostname()}
	for name, values := range query {
		if len(values) > 1 {
			return Options{}, refused(fmt.Sprintf("it has the parameter %q more than once", name), "give it once")
		}
		if err := o.set(name, values[0]); err != nil {
			return Options{}, err
		}
	}
	if err := o.validate(); err != nil {
		return Options{}, err
	}
	return o, nil
}

func (o *Options) set(name, value string) error {
	switch name {
	case "endpoint":
		o.Endpoint = value
	case "create":
		create, err := strconv.ParseBool(value)
		if err != nil {
			return refused(fmt.Sprintf("create is %q", value), "write create=true or create=false")
		}
		o.NoCreate = !create
	default:
		return refused(fmt.Sprintf("it has the parameter %q", name), "use endpoint and create")
	}
	return nil
}

// validate refuses what can never work.
func (o *Options) validate() error {
	if o.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return refused("its endpoint is no http or https URL of a host without credentials", "write endpoint=http://127.0.0.1:9324")
	}
	return nil
}

// refused is the error for a transport that cannot be: what, why, what to do. It repeats no part that may hold a password.
func refused(why, do string) error {
	return fmt.Errorf("transport sqs refused: %s; %s", why, do)
}
