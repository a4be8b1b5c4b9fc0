package contest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"posthorn/bench/internal/child"
)

func TestListeningAt(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"listening on http://127.0.0.1:8080":         "http://127.0.0.1:8080",
		"listening on http://127.0.0.1:9 (dev mode)": "http://127.0.0.1:9",
		"posthorn dev": "",
	} {
		if got, ok := listeningAt(line); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", line, got, ok, want)
		}
	}
}

func TestCost(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		`{"level":"INFO","msg":"stopped","syncs":812,"envelopes":90,"bytes":4096}`: "812 syncs, 90 envelopes of 4 KiB in all",
		`{"level":"INFO","msg":"stopped","syncs":0,"envelopes":1,"bytes":1}`:       "0 syncs: nothing was durable",
		`{"level":"INFO","msg":"stopped","syncs":9,"envelopes":0,"bytes":0}`:       "0 envelopes: nothing went over the transport",
		`{"level":"INFO","msg":"stopped"}`:                                         "did not log its syncs",
		"":                                                                         "did not log its syncs",
	} {
		cost, err := (&Server{words: words}).Cost()
		note := cost.String()
		if err != nil {
			note = err.Error()
		}
		if !strings.Contains(note, want) || (err == nil) != strings.HasPrefix(want, "812 syncs") {
			t.Errorf("%s: %q, %v; want %q", words, note, err, want)
		}
	}
}

func TestCallsReadsAllPages(t *testing.T) {
	t.Parallel()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := map[string]string{
			"":  `{"data":[{},{}],"nextCursor":"b"}`,
			"b": `{"data":[],"nextCursor":"c"}`,
			"c": `{"data":[{}]}`,
		}[r.FormValue("cursor")]
		if r.FormValue("state") != "pending" || r.URL.Path != "/v1/companies/c o/calls" || answer == "" {
			http.Error(w, "not this one", http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(answer))
	}))
	defer api.Close()
	s := &Server{URL: api.URL, client: api.Client()}
	if got, err := s.Calls(t.Context(), "c o", "pending"); got != 3 || err != nil {
		t.Errorf("%d pending, %v; want 3", got, err)
	}
	if _, err := s.Calls(t.Context(), "other", "pending"); err == nil || !strings.Contains(err.Error(), "answered 404 Not Found: not this one") {
		t.Errorf("a refused query: %v", err)
	}
}

func TestCallsOfTroubles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		trouble  trouble
		messages int
		want     int
	}{
		{trouble{}, 0, 0},
		{trouble{waiting: 20}, 20, 20},
		{trouble{hanging: 1}, 8, 8},
		{trouble{hanging: 16}, 17, 17},
		{trouble{hanging: 60}, 50, 60}, // 10 of the 50 companies have two
		{trouble{hanging: 60}, 51, 62}, // and the first of those comes again
		{trouble{hanging: 60}, 70, 90}, // those ten twice, the others once
		{trouble{hanging: 100}, 55, 110},
	} {
		if got := (&beside{trouble: c.trouble}).calls(c.messages); got != c.want {
			t.Errorf("%+v, %d messages: %d calls, want %d", c.trouble, c.messages, got, c.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	got := strings.Join(describe(run{repeated: 2, cost: Cost{9, 20, 3000}, usage: child.Usage{CPU: 200 * ms, Peak: 90 << 20}}, 100), "; ")
	if want := "1ms CPU/request, peak 90 MiB; 2 repeated; 9 syncs, 20 envelopes of 2 KiB in all"; got != want {
		t.Errorf("described as %q, want %q", got, want)
	}
}
