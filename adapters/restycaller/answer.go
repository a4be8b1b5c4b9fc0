package restycaller

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"posthorn/ports"
)

// What is read beyond the limit and thrown away, so that the connection can serve the next call. Beyond either bound a new
// connection is cheaper.
const (
	drainBytes    = 64 << 10
	drainPatience = 200 * time.Millisecond
)

// maxHeaderValue is how much of Retry-After and Location is kept, from the contract of ports.Reply.
const maxHeaderValue = 1 << 10

// read makes a reply of an answer whose headers have come. It closes the body.
func (c *Caller) read(call call, res *http.Response, stop func()) ports.Reply {
	body, truncated, err := readBody(res, c.maxResponse, stop)

	reply := ports.Reply{}
	if err != nil {
		reply = call.failed(err)
	} else {
		reply.Class, reply.Error = judge(call.origin, res)
	}

	reply.Status = res.StatusCode
	reply.RetryAfter = cut(res.Header.Get("Retry-After"), maxHeaderValue)
	reply.Location = cut(res.Header.Get("Location"), maxHeaderValue)
	reply.Body, reply.Truncated = body, truncated

	return reply
}

// readBody reads up to limit bytes. Once these are there, nothing that goes wrong with the rest is an error; stop ends a rest
// that takes too long.
func readBody(res *http.Response, limit int, stop func()) (body []byte, truncated bool, err error) {
	defer func() { _ = res.Body.Close() }() // what is kept has been read, and its error seen

	body, err = io.ReadAll(io.LimitReader(res.Body, int64(limit)))
	if err != nil || len(body) < limit {
		return body, false, err
	}

	patience := time.AfterFunc(drainPatience, stop)
	defer patience.Stop()

	rest, err := io.CopyN(io.Discard, res.Body, drainBytes)

	return body, rest > 0 || !errors.Is(err, io.EOF), nil
}

// judge tells the class of a complete answer.
func judge(origin string, res *http.Response) (ports.Class, string) {
	if res.StatusCode/100 == 2 {
		return ports.ClassOK, ""
	}

	status := fmt.Sprintf("%d %s", res.StatusCode, http.StatusText(res.StatusCode))

	switch location := res.Header.Get("Location"); {
	case res.StatusCode/100 == 3 && location != "":
		return ports.ClassRedirect, oneLine(fmt.Sprintf("%s answered %s to %s; redirects are not followed; "+
			"change the webhook's URL if the new place is right", origin, status, withoutSecrets(location)))
	case res.StatusCode/100 == 3:
		return ports.ClassRedirect, oneLine(fmt.Sprintf("%s answered %s; redirects are not followed, and this one names no new place; "+
			"let the receiver answer 2xx", origin, status))
	default:
		return ports.ClassStatus, oneLine(fmt.Sprintf("%s answered %s; only 2xx counts as success; "+
			"see the response body and the receiver's log", origin, status))
	}
}

// withoutSecrets is a Location fit for an error: without user, password and query, and short enough to leave room for the rest.
func withoutSecrets(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return "a place that is no URL"
	}

	if u.RawQuery != "" {
		u.RawQuery = "..."
	}

	u.User, u.Fragment, u.RawFragment = nil, "", ""

	return cut(u.String(), 256)
}
