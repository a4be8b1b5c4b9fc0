package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"posthorn/harness/load"
)

// The two companies of a run. Candidates of the first are created by /v1 with an idempotency key, and two webhooks hear of each; those of
// the second by the seed's routes.
const (
	keyedCompany = "keyed"
	seedCompany  = "seed"
)

// api speaks HTTP to the server. Its methods may be called from many goroutines at once.
type api struct {
	base   string
	client *http.Client
}

const connections = 256 // kept at the most

func newAPI(base string) *api { return &api{base: base, client: load.NewClient(connections)} }

// forget closes the connections to a server that is gone or about to go.
func (a *api) forget() { a.client.CloseIdleConnections() }

// ask sends a request once and returns whatever is answered. An error means that there was no whole answer.
func (a *api) ask(ctx context.Context, method, path, key string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.GetBody = nil // else the transport would repeat it by itself, for its key says that it may
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := a.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }() // it has been read
	if answer, err = io.ReadAll(res.Body); err != nil {
		return 0, nil, fmt.Errorf("read the answer: %w", err)
	}
	return res.StatusCode, answer, nil
}

// must is ask for what has to be answered by a 2xx, which it reads into what is given.
func (a *api) must(ctx context.Context, method, path string, body, into any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	status, answer, err := a.ask(ctx, method, path, "", data)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if status/100 != 2 {
		return fmt.Errorf("%s %s answered %d: %.300s", method, path, status, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return nil
}

func companyPath(company string) string { return "/v1/companies/" + company }

// each hands every item of a list to yield, page by page. The cursor goes into the parameter named.
func (a *api) each(ctx context.Context, path, cursor string, yield func(json.RawMessage) error) error {
	query := url.Values{"limit": {"250"}}
	for {
		var page struct {
			Data       []json.RawMessage `json:"data"`
			NextCursor string            `json:"nextCursor"`
		}
		if err := a.must(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &page); err != nil {
			return err
		}
		for _, item := range page.Data {
			if err := yield(item); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		if page.NextCursor == "" {
			return nil
		}
		query.Set(cursor, page.NextCursor)
	}
}

// settled returns when no call of the companies is open any more.
func (a *api) settled(ctx context.Context, companies []string) error {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for _, company := range companies {
		for {
			open, err := a.anyOpen(ctx, company)
			if err != nil {
				return err
			}
			if !open {
				break
			}
			select {
			case <-look.C:
			case <-ctx.Done():
				return fmt.Errorf("calls of company %s have not ended: %w", company, ctx.Err())
			}
		}
	}
	return nil
}

func (a *api) anyOpen(ctx context.Context, company string) (open bool, err error) {
	query, found := url.Values{"limit": {"1"}, "state": {"pending"}}, struct {
		Data       []json.RawMessage `json:"data"`
		NextCursor string            `json:"nextCursor"`
	}{}
	for { // a page looks at 10,000 calls at the most, so an empty one may have a next
		found.Data, found.NextCursor = nil, ""
		if err := a.must(ctx, http.MethodGet, companyPath(company)+"/calls?"+query.Encode(), nil, &found); err != nil {
			return false, err
		}
		if len(found.Data) > 0 || found.NextCursor == "" {
			return len(found.Data) > 0, nil
		}
		query.Set("cursor", found.NextCursor)
	}
}
