package nats_test

import (
	"reflect"
	"strings"
	"testing"

	"posthorn/adapters/nats"
)

func TestParseURL(t *testing.T) {
	t.Setenv("POSTHORN_NATS_USER", "")
	for raw, want := range map[string]nats.Options{
		"nats://host":                    {Servers: []string{"nats://host"}},
		"nats://host:4222/":              {Servers: []string{"nats://host:4222"}},
		"tls://a:1,b:2,[::1]:3?":         {Servers: []string{"tls://a:1", "tls://b:2", "tls://[::1]:3"}},
		"nats://ada:p%40ss%3A@host":      {Servers: []string{"nats://host"}, User: "ada", Password: "p@ss:"},
		"nats://host?replicas=3":         {Servers: []string{"nats://host"}, Replicas: 3},
		"nats://host?create=false":       {Servers: []string{"nats://host"}, NoCreate: true},
		"nats://host?create=true":        {Servers: []string{"nats://host"}},
		"tls://h?ca=/a&cert=/b&key=/c":   {Servers: []string{"tls://h"}, CA: "/a", Certificate: "/b", Key: "/c"},
		"nats://host?creds=%2Fetc%2Fme.": {Servers: []string{"nats://host"}, Credentials: "/etc/me."},
	} {
		if got, err := nats.ParseURL(raw); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseURL(%s) = %+v, %v, want %+v", raw, got, err, want)
		}
	}
}

func TestParseURLHeedsTheEnvironment(t *testing.T) {
	t.Setenv("POSTHORN_NATS_USER", "env")
	t.Setenv("POSTHORN_NATS_PASSWORD", "secret")
	t.Setenv("POSTHORN_NATS_CREDS", "/etc/env.creds")
	o, err := nats.ParseURL("nats://host")
	if err != nil || o.User != "env" || o.Password != "secret" || o.Credentials != "/etc/env.creds" {
		t.Errorf("from the environment: %+v, %v", o, err)
	}
	o, err = nats.ParseURL("nats://ada:lovelace@host")
	if err != nil || o.User != "ada" || o.Password != "lovelace" || o.Credentials != "" {
		t.Errorf("from the URL: %+v, %v", o, err)
	}
}

func TestParseURLRefuses(t *testing.T) {
	t.Setenv("POSTHORN_NATS_USER", "")
	for raw, want := range map[string]string{
		"":                            "URL of NATS refused: it does not begin with nats:// or tls://; write nats://host:4222",
		"secret@host":                 "URL of NATS refused: it does not begin with nats:// or tls://; write nats://host:4222",
		"http://host":                 "URL of NATS refused: it does not begin with nats:// or tls://; write nats://host:4222",
		"nats://":                     `URL of NATS refused: "" is no server; write host or host:4222, several with commas between`,
		"nats://a,,b":                 `URL of NATS refused: "" is no server; write host or host:4222, several with commas between`,
		"nats://a/path":               `URL of NATS refused: "a/path" is no server; write host or host:4222, several with commas between`,
		"nats://ada:sec?ret@host":     "URL of NATS refused: what stands before the @ is no user and password; write user:password with %40 for @ and so on",
		"nats://ada:sec%ret@host":     "URL of NATS refused: what stands before the @ is no user and password; write user:password with %40 for @ and so on",
		"nats://secret@host":          "URL of NATS refused: what stands before the @ is no user and password; write user:password with %40 for @ and so on",
		"nats://ada:sec,ret?a=b@host": `URL of NATS refused: "ada" is no server; write host or host:4222, several with commas between`,
		"nats://h?partitions=3":       "parameter partitions refused: NATS has no such parameter; use ca, cert, creds, key, create, replicas",
		"nats://h?replicas=0":         "replicas=0 refused: it is no number from 1 to 5; choose 1 or 3",
		"nats://h?replicas=many":      "replicas=many refused: it is no number from 1 to 5; choose 1 or 3",
		"nats://h?replicas=7":         "7 replicas of a NATS stream refused: JetStream has 1 to 5; choose 1 or 3",
		"nats://h?create=no":          "create=no refused: it is neither true nor false; write create=false to create nothing",
		"nats://h?ca=":                "parameter ca of NATS refused: it is empty; give it a value, or leave it out",
		"nats://h?ca=a&ca=b":          "parameter ca of NATS refused: it is there 2 times; give it once",
		"nats://h?cert=a":             "half of the certificate and its key for NATS is missing; give the files of both, or none",
		"nats://h?%zz=1":              "parameters of the URL of NATS refused: invalid URL escape \"%zz\"; write name=value with & between",
	} {
		_, err := nats.ParseURL(raw)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("ParseURL(%s) = %v, want %s", raw, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "ret") || strings.Contains(err.Error(), "secret")) {
			t.Errorf("ParseURL(%s) shows the password: %v", raw, err)
		}
	}
}
