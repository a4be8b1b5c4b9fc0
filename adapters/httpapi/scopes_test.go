package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/adapters/httpapi"
)

// TestScopes tries every operation as everybody who has no right to it, and sees that it is refused, that nothing is stored, and that what
// is told is the same whether there is anything to be told of or not.
func TestScopes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWalk(t)
		defer func() { must(t, w.engine.Close()) }()
		if len(w.operations) < 29 {
			t.Errorf("only %d operations are described", len(w.operations))
		}
		for _, o := range w.operations {
			if a, ok := w.attempt(o); ok {
				w.strangers(a)
				w.reader(a)
				w.otherCompany(a)
			}
		}
		for _, o := range w.operations {
			if a, ok := w.attempt(o); ok {
				w.rightful(a)
			}
		}
		w.called()
	})
}

// TestAccessOfOthers: who embeds the API may give any access; the narrowest of what it says holds, but for an operator's.
func TestAccessOfOthers(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		access       httpapi.Access
		method, path string
		code         int
	}{
		"nothing given":          {httpapi.Access{}, "GET", c42 + "/webhooks", 403},
		"nothing but a name":     {httpapi.Access{Key: "ada"}, "GET", "/v1/events", 403},
		"an operator":            {httpapi.Access{Admin: true, Company: "43", ReadOnly: true}, "DELETE", c42 + "/webhooks/wh_1", 404},
		"a reader of one":        {httpapi.Access{Company: "42", ReadOnly: true}, "GET", c42 + "/webhooks", 200},
		"and no more":            {httpapi.Access{Company: "42", ReadOnly: true}, "DELETE", c42 + "/webhooks/wh_1", 403},
		"and of no other":        {httpapi.Access{Company: "42", ReadOnly: true}, "GET", "/v1/companies/43/webhooks", 403},
		"nor of everything":      {httpapi.Access{Company: "42", ReadOnly: true}, "GET", "/v1/keys", 403},
		"the head of what is":    {httpapi.Access{ReadOnly: true}, "HEAD", c42 + "/webhooks", 200},
		"the head of another":    {httpapi.Access{Company: "43"}, "HEAD", c42 + "/webhooks", 403},
		"an escaped company":     {httpapi.Access{Company: "4/2"}, "GET", "/v1/companies/4%2F2/webhooks", 200},
		"another by its escapes": {httpapi.Access{Company: "4%2F2"}, "GET", "/v1/companies/4%2F2/webhooks", 403},
		"what nobody got":        {httpapi.Access{ReadOnly: true}, "GET", "/v1/undelivered", 200},
		"of one alone":           {httpapi.Access{Company: "42"}, "GET", "/v1/undelivered", 403},
		"no route":               {httpapi.Access{Company: "42"}, "GET", "/v1/nothing", 404},
	} {
		h := httpapi.Handler(newMemory(), httpapi.Options{Authorize: func(*http.Request) (httpapi.Access, error) { return row.access, nil }})
		if out := send(h, request{method: row.method, path: row.path}); out.Code != row.code {
			t.Errorf("%s: %s %s: %d %s, want %d", name, row.method, row.path, out.Code, out.Body, row.code)
		}
	}
}

// strangers have no key that opens.
func (w *walk) strangers(a attempt) {
	w.t.Helper()
	for _, company := range []string{acme, nobody} {
		seen := w.refused(a, http.StatusUnauthorized, "wrong", company)
		for _, as := range []string{"unknown", "revoked"} {
			if got := w.refused(a, http.StatusUnauthorized, as, company); got != seen {
				w.t.Errorf("%s %s: %s is told otherwise than wrong:\n%s\n%s", a.method, a.path, as, got, seen)
			}
		}
		w.refused(a, http.StatusUnauthorized, "nobody", company)
	}
}

// reader may read what is the companies', and change nothing.
func (w *walk) reader(a attempt) {
	w.t.Helper()
	if a.method != http.MethodGet {
		w.refused(a, http.StatusForbidden, "read", acme)
		return
	}
	out := w.send("read", a, acme, w.acmesID)
	for _, secret := range []string{w.acmes["secret"], w.acmes["token"], "whsec_", "phk_"} {
		if strings.Contains(out.Body.String(), secret) {
			w.t.Errorf("GET %s shows a secret to a reader: %s", a.path, out.Body)
		}
	}
	switch {
	case a.ofCompany || strings.HasPrefix(a.path, "/v1/events"):
		if out.Code != http.StatusOK {
			w.t.Errorf("GET %s by a reader: %d %s", a.path, out.Code, out.Body)
		}
	case out.Code != http.StatusOK && out.Code != http.StatusForbidden:
		w.t.Errorf("GET %s by a reader: %d %s", a.path, out.Code, out.Body)
	}
}

// otherCompany has a key of its own.
func (w *walk) otherCompany(a attempt) {
	w.t.Helper()
	if a.ofCompany {
		if there, not := w.refused(a, http.StatusForbidden, "bravo", acme), w.refused(a, http.StatusForbidden, "bravo", nobody); there != not {
			w.t.Errorf("%s %s: another company is told whether a company is there:\n%s\n%s", a.method, a.path, there, not)
		}
	}
	their, none := w.send("bravo", a, bravo, w.acmesID), w.send("bravo", a, bravo, w.noID)
	if one, other := w.told(their, w.acmesID), w.told(none, w.noID); one != other && a.namesID {
		w.t.Errorf("%s %s: another company is told whether an id is there:\n%s\n%s", a.method, a.path, one, other)
	}
	own := w.send("bravo", a, bravo, w.bravosID)
	for _, out := range []*httptest.ResponseRecorder{their, own} {
		if text := told(out); strings.Contains(text, acmesMark) {
			w.t.Errorf("%s %s shows a company what is another's or the operator's: %s", a.method, a.path, text)
		}
	}
	ours := a.ofCompany || strings.HasPrefix(a.path, "/v1/events")
	if ours == (own.Code == http.StatusForbidden) {
		w.t.Errorf("%s %s by a company on its own: %d %s", a.method, a.path, own.Code, own.Body)
	}
}

// rightful are those who may: or the refusals above would prove nothing.
func (w *walk) rightful(a attempt) {
	w.t.Helper()
	may := []string{"admin", "static"}
	if a.ofCompany {
		may = append(may, "acme")
	}
	for _, as := range may {
		out := w.send(as, a, acme, w.acmesID)
		if out.Code == http.StatusUnauthorized || out.Code == http.StatusForbidden || out.Code >= http.StatusInternalServerError {
			w.t.Errorf("%s %s by %s: %d %s", a.method, a.path, as, out.Code, out.Body)
		}
		if a.ofCompany && a.method == http.MethodGet && !strings.Contains(told(out), acmesMark) {
			w.t.Errorf("GET %s shows no mark of acme's, so that a leak would not be seen; let owned make something that it shows: %d %s",
				a.path, out.Code, out.Body)
		}
	}
}

// called sees that what other companies asked for has told them nothing of acme.
func (w *walk) called() {
	w.t.Helper()
	time.Sleep(time.Hour)
	heard := 0
	for _, r := range w.caller.Requests() {
		if !strings.HasSuffix(r.URL, acmesMark) {
			heard++
			if strings.Contains(string(r.Body), acmesMark) {
				w.t.Errorf("a call to %s holds what is acme's: %s", r.URL, r.Body)
			}
		}
	}
	if heard == 0 {
		w.t.Error("nobody else was called")
	}
}

// refused makes a request that must be refused, and returns all that it is told.
func (w *walk) refused(a attempt, status int, as, company string) string {
	w.t.Helper()
	synctest.Wait()
	before, _ := w.engine.LastSeq(w.t.Context())
	out := w.send(as, a, company, w.acmesID)
	synctest.Wait()
	if after, _ := w.engine.LastSeq(w.t.Context()); after != before {
		w.t.Errorf("%s %s by %s has stored something", a.method, a.path, as)
	}
	text := told(out)
	if out.Code != status || strings.Contains(text, acmesMark) {
		w.t.Errorf("%s %s of %s by %s: %s", a.method, a.path, company, as, text)
	}
	return text
}

// told is all of an answer: status, headers, body.
func told(out *httptest.ResponseRecorder) string {
	var text strings.Builder
	_ = out.Result().Header.Write(&text)
	return http.StatusText(out.Code) + "\n" + text.String() + out.Body.String()
}

var drawn = regexp.MustCompile(`[0-9A-HJKMNP-TV-Z]{26}|whsec_[\w+/=]+|\d{4}-\d\d-\d\dT[\d:.]+Z`)

// told is told without what differs from one answer to the next: ids, secrets and times that are new, and the ids that were asked for.
func (w *walk) told(out *httptest.ResponseRecorder, id func(string) string) string {
	text := told(out)
	for collection := range w.acmes {
		text = strings.ReplaceAll(text, id(collection), "ID")
	}
	return drawn.ReplaceAllString(text, "NEW")
}

// pass lets time go by in the bubble that the walk is made in.
func pass(d time.Duration) { time.Sleep(d) }
