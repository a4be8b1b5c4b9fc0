package load

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"posthorn/harness"
)

// A Server says where a Posthorn server is. Key is its API key, empty for none. HTTP makes the requests; [NewClient] makes one.
type Server struct {
	URL, Key string
	HTTP     *http.Client
}

func (s Server) exchange(method, path string, in any) (exchange, error) {
	x := exchange{client: s.HTTP, method: method, url: strings.TrimRight(s.URL, "/") + path, header: http.Header{}}
	if s.Key != "" {
		x.header.Set("Authorization", "Bearer "+s.Key)
	}
	if in == nil {
		return x, nil
	}
	x.header.Set("Content-Type", "application/json")
	var err error
	x.body, err = json.Marshal(in)
	return x, err
}

// ask makes a request and decodes its answer into out, if there is one.
func (s Server) ask(ctx context.Context, method, path string, in, out any) error {
	x, err := s.exchange(method, path, in)
	if err != nil {
		return err
	}
	if out == nil {
		_, err = x.do(ctx)
		return err
	}
	return x.ask(ctx, out)
}

// V1 is a Posthorn server by its /v1 routes: webhooks for load.message, messages with the id in their data.
func V1(s Server) Target {
	v := v1{s}
	return Target{
		Name: s.URL + " /v1", Register: v.register, Trigger: v.trigger, Unregister: v.unregister, Calls: v.calls,
		ID: harness.IDPointer("/data/id"),
	}
}

type v1 struct{ Server }

func company(name string, segments ...string) string {
	for i := range segments {
		segments[i] = url.PathEscape(segments[i])
	}
	return "/v1/companies/" + url.PathEscape(name) + "/" + strings.Join(segments, "/")
}

func (v v1) register(ctx context.Context, s Subscription) (Webhook, error) {
	in := struct {
		URL         string   `json:"url"`
		EventTypes  []string `json:"eventTypes"`
		Description string   `json:"description"`
		Schedule    []string `json:"schedule,omitempty"`
		Timeout     string   `json:"timeout,omitempty"`
	}{URL: s.URL, EventTypes: []string{"load.message"}, Description: "ephemeral, of a load run"}
	for _, wait := range s.Schedule {
		in.Schedule = append(in.Schedule, wait.String())
	}
	if s.Timeout > 0 {
		in.Timeout = s.Timeout.String()
	}
	var out struct{ ID, Secret string }
	err := v.ask(ctx, http.MethodPost, company(s.Company, "webhooks"), in, &out)
	return Webhook{Company: s.Company, URL: s.URL, ID: out.ID, Secret: out.Secret}, err
}

func (v v1) trigger(ctx context.Context, m Message) (string, error) {
	type data struct {
		ID      string `json:"id"`
		Payload string `json:"payload"`
	}
	in := struct {
		EventType string `json:"eventType"`
		Data      data   `json:"data"`
	}{"load.message", data{m.ID, m.Payload}}
	var out struct{ ID string }
	err := v.ask(ctx, http.MethodPost, company(m.Company, "messages"), in, &out)
	return out.ID, err
}

func (v v1) unregister(ctx context.Context, w Webhook) error {
	return v.ask(ctx, http.MethodDelete, company(w.Company, "webhooks", w.ID), nil, nil)
}

func (v v1) calls(ctx context.Context, name string, each func(Call)) error {
	for cursor := ""; ; {
		var page struct {
			Data       []Call
			NextCursor string
		}
		if err := v.ask(ctx, http.MethodGet, company(name, "calls")+"?limit=250&cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			return err
		}
		for _, c := range page.Data {
			each(c)
		}
		if cursor = page.NextCursor; cursor == "" {
			return nil
		}
	}
}

// Seed is a server with the routes POST /webhooks and POST /candidates: one webhook for a company, signed by the token in the body. The id
// of a message is the local part of its candidate's email. A webhook is removed by /v1 if its registration was answered with an id;
// without one, nothing can remove it.
func Seed(s Server) Target {
	seed := seed{s}
	email := harness.IDPointer("/resource/email")
	return Target{
		Name: s.URL + " /candidates", Register: seed.register, Trigger: seed.trigger, Unregister: seed.unregister,
		ID: func(h http.Header, body []byte) string { return strings.TrimSuffix(email(h, body), "@load.example") },
	}
}

type seed struct{ Server }

func (s seed) register(ctx context.Context, sub Subscription) (Webhook, error) {
	in := map[string]string{"companyId": sub.Company, "url": sub.URL, "eventType": "candidate.created"}
	var out struct{ Data struct{ ID, Token string } }
	err := s.ask(ctx, http.MethodPost, "/webhooks", in, &out)
	return Webhook{Company: sub.Company, URL: sub.URL, ID: out.Data.ID, Secret: out.Data.Token}, err
}

func (s seed) unregister(ctx context.Context, w Webhook) error {
	if w.ID == "" {
		return nil
	}
	return v1(s).unregister(ctx, w)
}

func (s seed) trigger(ctx context.Context, m Message) (string, error) {
	in := map[string]string{
		"companyId": m.Company, "email": m.ID + "@load.example", "firstName": "Load", "lastName": strconv.Itoa(m.N), "payload": m.Payload,
	}
	var out struct{ Data struct{ ID string } }
	err := s.ask(ctx, http.MethodPost, "/candidates", in, &out)
	return out.Data.ID, err
}
