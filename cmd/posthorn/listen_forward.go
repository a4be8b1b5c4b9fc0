package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"

	"posthorn/harness"
)

// A forwarder passes deliveries on to another server, and its answers back.
type forwarder struct {
	proxy     *httputil.ReverseProxy
	transport *http.Transport
}

type deliveryKey struct{}

// newForwarder passes on to target, behind whose path the delivery's own is put.
func newForwarder(target string, out *listenPrinter) *forwarder {
	at, err := url.Parse(target)
	if err != nil {
		panic(err) // the flag has been checked
	}
	number := func(r *http.Request) int { n, _ := r.Context().Value(deliveryKey{}).(int); return n }
	f := &forwarder{transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}
	f.proxy = &httputil.ReverseProxy{
		Transport: f.transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(at) },
		ModifyResponse: func(resp *http.Response) error {
			out.forwarded(number(resp.Request), resp.StatusCode, nil)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			out.forwarded(number(r), 0, err)
			w.WriteHeader(http.StatusBadGateway)
		},
		ErrorLog: log.New(io.Discard, "", 0), // it would only say what the two above have said
	}
	return f
}

func (f *forwarder) reply() harness.Reply {
	return harness.Reply{Keep: true, Answer: func(w http.ResponseWriter, r *http.Request, d harness.Delivery) {
		f.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), deliveryKey{}, d.N)))
	}}
}

func (f *forwarder) close() { f.transport.CloseIdleConnections() }
