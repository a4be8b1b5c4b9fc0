package control

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"posthorn/harness"
)

// A Delivery is a harness.Delivery as it is written in JSON.
type Delivery struct {
	N         int    `json:"n"`
	At        string `json:"at"`
	Proto     string `json:"proto"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	Query     string `json:"query,omitempty"`
	ID        string `json:"id"`
	Repeat    int    `json:"repeat"`
	Duplicate bool   `json:"duplicate"`
	Verified  bool   `json:"verified"`
	Signature string `json:"signature,omitempty"`
	Token     string `json:"token,omitempty"`
	// Status is what was scripted; 0 if the answer was left to something else, or was none.
	Status  int         `json:"status"`
	Headers http.Header `json:"headers"`
	// Body is the body if it is JSON; any other is in Text.
	Body json.RawMessage `json:"body,omitempty"`
	Text string          `json:"text,omitempty"`
}

// NewDelivery makes the JSON form.
func NewDelivery(d harness.Delivery) Delivery {
	out := Delivery{
		N: d.N, At: d.At.UTC().Format(time.RFC3339Nano), Proto: d.Proto, Method: d.Method, Path: d.Path, Query: d.Query,
		ID: d.ID, Repeat: d.Repeat, Duplicate: d.Duplicate, Verified: d.Verified(),
		Signature: d.Signature.String(), Token: d.Token.String(), Status: d.Status, Headers: d.Header,
	}
	if json.Valid(d.Body) {
		out.Body = d.Body
	} else {
		out.Text = string(d.Body)
	}
	return out
}

// An Account is a harness.Account as it is written in JSON; the names mean the same.
type Account struct {
	OK            bool     `json:"ok"`
	Deliveries    int      `json:"deliveries"`
	Broken        int      `json:"broken"`
	Unnamed       int      `json:"unnamed"`
	Unique        int      `json:"unique"`
	Retries       int      `json:"retries"`
	Duplicates    int      `json:"duplicates"`
	Verified      int      `json:"verified"`
	Bad           int      `json:"bad"`
	Unchecked     int      `json:"unchecked"`
	UnderWay      int      `json:"underWay"`
	Expected      int      `json:"expected"`
	Unexpected    int      `json:"unexpected"`
	Lost          []string `json:"lost"`
	Gaps          []Gap    `json:"gaps"`
	Late          []string `json:"late"`
	DuplicateIDs  []string `json:"duplicateIds"`
	BadDeliveries []string `json:"badDeliveries"`
}

// A Gap is a harness.Gap as it is written in JSON.
type Gap struct {
	From string `json:"from"`
	To   string `json:"to"`
	N    int    `json:"n"`
}

func newAccount(a harness.Account, underWay int) Account {
	bad := make([]string, len(a.BadDeliveries))
	for i, d := range a.BadDeliveries {
		bad[i] = d.String()
	}
	gaps := make([]Gap, len(a.Gaps))
	for i, g := range a.Gaps {
		gaps[i] = Gap(g)
	}
	list := func(ids []string) []string { return append([]string{}, ids...) } // [], not null
	return Account{
		OK: a.OK(), Deliveries: a.Deliveries, Broken: a.Broken, Unnamed: a.Unnamed, Unique: a.Unique, Retries: a.Retries,
		Duplicates: a.Duplicates, Verified: a.Verified, Bad: a.Bad, Unchecked: a.Unchecked, UnderWay: underWay,
		Expected: a.Expected, Unexpected: a.Unexpected, Lost: list(a.Lost), Gaps: gaps, Late: list(a.Late),
		DuplicateIDs: list(a.DuplicateIDs), BadDeliveries: bad,
	}
}

type deliveryList struct {
	Deliveries []Delivery `json:"deliveries"`
}

func (a *api) deliveries(r *http.Request) (int, any, error) {
	q, err := query(r, "path", "id", "after")
	if err != nil {
		return 0, nil, err
	}
	after := 0
	if text := q.Get("after"); text != "" {
		if after, err = strconv.Atoi(text); err != nil || after < 0 {
			return 0, nil, refuse(http.StatusBadRequest, "after %.40q is refused: it is not the number of a delivery; give the last n that is known", text)
		}
	}
	return http.StatusOK, a.list(q.Get("path"), q["id"], after), nil
}

// list has the deliveries of one of the ids, or of any if there are none.
func (a *api) list(path string, ids []string, after int) deliveryList {
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	out := deliveryList{Deliveries: []Delivery{}}
	for _, d := range a.part(path).Deliveries() {
		if d.N > after && (len(ids) == 0 || wanted[d.ID]) {
			out.Deliveries = append(out.Deliveries, NewDelivery(d))
		}
	}
	return out
}

func (a *api) await(r *http.Request) (int, any, error) {
	q, err := query(r, "path", "id", "count", "timeout")
	if err != nil {
		return 0, nil, err
	}
	count, timeout, ids := 1, 10*time.Second, q["id"]
	if text := q.Get("count"); text != "" {
		if count, err = strconv.Atoi(text); err != nil || count < 1 || len(ids) > 1 {
			return 0, nil, refuse(http.StatusBadRequest, "count %.40q is refused: it is not above 0, or there are several ids, of which one "+
				"delivery each is awaited; give count=3, or the ids alone", text)
		}
	}
	if text := q.Get("timeout"); text != "" {
		if timeout, err = time.ParseDuration(text); err != nil || timeout < 0 {
			return 0, nil, refuse(http.StatusBadRequest, "timeout %.40q is refused: it is not a duration; give timeout=10s", text)
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	if err := waitFor(ctx, a.part(q.Get("path")), count, ids); err != nil {
		return 0, nil, refuse(http.StatusGatewayTimeout, "%v; look at GET /account and at the sender", err)
	}
	return http.StatusOK, a.list(q.Get("path"), ids, 0), nil
}

func waitFor(ctx context.Context, p part, count int, ids []string) error {
	switch len(ids) {
	case 0:
		return p.Await(ctx, count)
	case 1:
		return p.AwaitID(ctx, ids[0], count)
	default:
		return p.AwaitAll(ctx, ids...)
	}
}

func (a *api) account(r *http.Request) (int, any, error) {
	q, err := query(r, "path", "expect")
	if err != nil {
		return 0, nil, err
	}
	path, underWay := q.Get("path"), a.receiver.UnderWay()
	if path != "" {
		underWay = a.receiver.Endpoint(path).UnderWay()
	}
	return http.StatusOK, newAccount(a.part(path).Account(q["expect"]...), underWay), nil
}
