package httpclient_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"posthorn/adapters/httpapi"
	"posthorn/adapters/httpclient"
	"posthorn/engine"
	"posthorn/ports"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	b, ctx := open(t), t.Context()
	made := ok(b.CreateKey(ctx, engine.NewAPIKey{Name: "billing", Scope: "company:42", Rate: 2.5}))(t)
	other := ok(b.CreateKey(ctx, engine.NewAPIKey{Scope: "read"}))(t)
	same(t, "access", engine.Access{Key: made.ID, Company: "42", Rate: 2.5}, ok(b.engine.Authenticate(ctx, made.Token))(t))
	first := ok(b.Keys(ctx, engine.KeyQuery{Limit: 1}))(t)
	same(t, "first page", ok(b.engine.Keys(ctx, engine.KeyQuery{Limit: 1}))(t), first)
	same(t, "next page", []engine.APIKey{other.APIKey}, ok(b.Keys(ctx, engine.KeyQuery{Cursor: first.Next}))(t).Items)
	if revoked := ok(b.RevokeKey(ctx, made.ID))(t); revoked.RevokedAt == nil || revoked.ID != made.ID {
		t.Errorf("revoked %+v", revoked)
	}
	if _, err := b.RevokeKey(ctx, "key_none"); !errors.Is(err, ports.ErrNotFound) {
		t.Errorf("none: %v", err)
	}
	var invalid *engine.InvalidError
	if _, err := b.RevokeKey(ctx, ""); !errors.As(err, &invalid) {
		t.Errorf("no id: %v", err)
	}
	if _, err := b.CreateKey(ctx, engine.NewAPIKey{Scope: "all", Name: "\x01"}); !errors.As(err, &invalid) || len(invalid.Problems) != 2 {
		t.Errorf("a bad key: %v", err)
	}
}

// A key that is used too often is told so as overload is: later, the same command may be sent again.
func TestRateOfAKey(t *testing.T) {
	t.Parallel()
	b := open(t)
	seldom := httpapi.Handler(b.engine, httpapi.Options{Authorize: func(*http.Request) (httpapi.Access, error) {
		return httpapi.Access{Key: "seldom", Admin: true, Rate: 0.001}, nil
	}})
	c, err := httpclient.New("http://engine", httpclient.Options{HTTP: &http.Client{Transport: inProcess{seldom}}})
	if err != nil {
		t.Fatal(err)
	}
	ok(c.Keys(t.Context(), engine.KeyQuery{}))(t)
	if _, err := c.Keys(t.Context(), engine.KeyQuery{}); !errors.Is(err, ports.ErrOverloaded) {
		t.Errorf("too soon: %v", err)
	}
}

// inProcess asks a handler without a socket.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	out := httptest.NewRecorder()
	p.ServeHTTP(out, r)
	return out.Result(), nil
}
