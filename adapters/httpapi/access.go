package httpapi

import (
	"context"
	"net"
	"net/http"
	"strings"

	"posthorn/engine"
)

// Access is what a request may do, as Options.Authorize found out. The zero value may do nothing.
type Access = engine.Access

type accessKey struct{}

// accessOf is what the request of ctx may do: nothing where nobody was asked.
func accessOf(ctx context.Context) Access {
	access, _ := ctx.Value(accessKey{}).(Access)
	return access
}

// withAccess tells handlers what the request may do, and the log who made it.
func withAccess(r *http.Request, access Access) *http.Request {
	if access.Admin {
		access.Company, access.ReadOnly = "", false // nothing limits it
	}
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		remote = r.RemoteAddr
	}
	ctx := engine.WithActor(r.Context(), engine.Actor{Key: access.Key, Remote: remote})
	return r.WithContext(context.WithValue(ctx, accessKey{}, access))
}

// A rule says who may use a route besides the operator, whose Access is Admin. It follows from the route's pattern alone: what is below a
// company is the company's and its readers'. All else is the operator's, until it is named in ruleOf. Whoever adds a route has it closed.
type rule struct {
	// part of the path names the company; empty where the path names none.
	part string
	// companies may use the route with a key of their own. Where no part names the company, the handler holds them to it, by foreign or
	// Access.Company.
	companies bool
	// readers of everything may, with GET and HEAD.
	readers bool
}

func ruleOf(pattern string) rule {
	_, path, _ := strings.Cut(pattern, " ")
	if strings.HasPrefix(path, companyPath+"/") {
		return rule{part: "company", companies: true, readers: true}
	}
	switch path {
	case "/webhook_history/{companyId}":
		return rule{part: "companyId", companies: true, readers: true}
	case "/webhooks", "/candidates": // they name the company in the body
		return rule{companies: true}
	case "/v1/events", "/v1/events/stream":
		return rule{companies: true, readers: true}
	case "/v1/undelivered": // of all companies
		return rule{readers: true}
	}
	return rule{}
}

// refuses returns why the request may not use the route, nil if it may. What it says depends on the key and the route, never on what there
// is: that of another company is refused as that of none.
func (u rule) refuses(a Access, r *http.Request) *problem {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case a.Admin:
		return nil
	case a.ReadOnly && !reads:
		return forbidden("its key may only read; send one that may also write")
	case a.Company != "" && u.part != "":
		return foreign(a, r.PathValue(u.part))
	case a.Company != "" && u.companies, a.Company == "" && a.ReadOnly && u.readers:
		return nil
	}
	return forbidden("the route is the operator's; send a key of scope admin")
}

// foreign refuses what is not of the company of the access.
func foreign(a Access, company string) *problem {
	if a.Admin || company == a.Company {
		return nil
	}
	return forbidden("its key is another company's; send one of this company")
}

// shown takes out of events what their reader should not see: to a company, from which address others have asked, the operator among them.
func shown(ctx context.Context, events []engine.Event) {
	a := accessOf(ctx)
	for i, e := range events {
		events[i].By = shownTo(a, e.By)
	}
}

// shownTo is who asked for something, without the address where the reader is a company that did not ask itself.
func shownTo(a Access, by *engine.Actor) *engine.Actor {
	if a.Company != "" && by != nil && by.Key != a.Key {
		return engine.Actor{Key: by.Key}.Kept()
	}
	return by
}

func forbidden(why string) *problem {
	return refusal(http.StatusForbidden, codeForbidden, "the request is refused: %s", why)
}

// A ruledMux holds every route to its rule.
type ruledMux struct{ mux *http.ServeMux }

// HandleFunc adds a route.
func (m ruledMux) HandleFunc(pattern string, handle func(http.ResponseWriter, *http.Request)) {
	u := ruleOf(pattern)
	m.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if p := u.refuses(accessOf(r.Context()), r); p != nil {
			writeProblem(w, p)
			return
		}
		handle(w, r)
	})
}

// ServeHTTP is asked for by huma's interface.
func (m ruledMux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }
