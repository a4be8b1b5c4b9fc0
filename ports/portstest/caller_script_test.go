package portstest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/ports"
	"posthorn/ports/portstest"
)

func request(url string) ports.Request {
	return ports.Request{URL: url, Header: map[string]string{"a": "b"}, Body: []byte("body"), Timeout: 15 * time.Second}
}

func TestScriptedCallerAnswersInOrder(t *testing.T) {
	t.Parallel()

	c := portstest.NewScriptedCaller()
	c.Respond(func(r ports.Request) portstest.ScriptedReply {
		return portstest.ScriptedReply{Reply: ports.Reply{Status: 410, Body: r.Body}}
	})
	c.Script("http://a", portstest.ScriptedReply{Reply: ports.Reply{Status: 503}}, portstest.ScriptedReply{})
	c.Script("http://a", portstest.ScriptedReply{Reply: ports.Reply{Class: ports.ClassDNS, Error: "none"}})
	c.Script("http://b", portstest.ScriptedReply{Reply: ports.Reply{Status: 302}, Keep: true}, portstest.ScriptedReply{})

	for _, step := range []struct {
		url    string
		class  ports.Class
		status int
	}{
		{"http://a", ports.ClassStatus, 503},
		{"http://b", ports.ClassRedirect, 302},
		{"http://a", ports.ClassOK, 200},
		{"http://c", ports.ClassStatus, 410},
		{"http://a", ports.ClassDNS, 0},
		{"http://a", ports.ClassStatus, 410},
		{"http://b", ports.ClassRedirect, 302},
	} {
		r := c.Call(t.Context(), request(step.url))
		if r.Class != step.class || r.Status != step.status || (r.Error == "") != (r.Class == ports.ClassOK) {
			t.Errorf("%s: class %q, status %d, error %q; want %q, %d", step.url, r.Class, r.Status, r.Error, step.class, step.status)
		}
	}
}

func TestScriptedCallerRecordsCopies(t *testing.T) {
	t.Parallel()

	c, r := portstest.NewScriptedCaller(), request("http://a")
	c.Call(t.Context(), r)
	r.Body[0], r.Header["a"] = 'X', "changed"

	got := c.Requests()
	if len(got) != 1 || got[0].URL != "http://a" || string(got[0].Body) != "body" || got[0].Header["a"] != "b" {
		t.Errorf("recorded %+v, want the request as it was when it came", got)
	}
}

func TestScriptedCallerKeepsFakeTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, held := portstest.NewScriptedCaller(), make(chan struct{})
		c.Script("http://slow", portstest.ScriptedReply{After: 10 * time.Second})
		c.Script("http://slow", portstest.ScriptedReply{After: time.Hour})
		c.Script("http://held", portstest.ScriptedReply{After: time.Second, Until: held}, portstest.ScriptedReply{Until: held})

		check := func(r ports.Reply, class ports.Class, took time.Duration) {
			t.Helper()

			if r.Class != class || r.Took != took {
				t.Errorf("class %q after %s, want %q after %s", r.Class, r.Took, class, took)
			}
		}

		check(c.Call(t.Context(), request("http://slow")), ports.ClassOK, 10*time.Second)
		check(c.Call(t.Context(), request("http://slow")), ports.ClassTimeout, 15*time.Second)

		time.AfterFunc(5*time.Second, func() { close(held) })
		check(c.Call(t.Context(), request("http://held")), ports.ClassOK, 5*time.Second)

		c.Script("http://never", portstest.ScriptedReply{Until: make(chan struct{}), Keep: true})

		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()

		check(c.Call(t.Context(), request("http://never")), ports.ClassTimeout, 15*time.Second)
		check(c.Call(ctx, request("http://never")), ports.ClassInternal, 0) // ctx ended while the call before waited
	})
}

func TestScriptedCallerAwait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := portstest.NewScriptedCaller()

		for i := range 3 {
			time.AfterFunc(time.Duration(i+1)*time.Second, func() { c.Call(t.Context(), request("http://a")) })
		}

		start := time.Now()

		if got, err := c.Await(t.Context(), 2); err != nil || len(got) != 2 || time.Since(start) != 2*time.Second {
			t.Errorf("Await(2) = %d requests, %v after %s", len(got), err, time.Since(start))
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()

		if got, err := c.Await(ctx, 4); err == nil || len(got) != 3 {
			t.Errorf("Await(4) = %d requests, %v; want 3 and an error", len(got), err)
		}
	})
}
