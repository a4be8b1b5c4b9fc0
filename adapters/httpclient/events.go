package httpclient

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"posthorn/engine"
	"posthorn/ports"
)

// Events is Engine.Events.
func (c *Client) Events(ctx context.Context, q engine.EventQuery) (engine.Page[engine.Event], error) {
	path, err := eventsPath(q.Company)
	if err != nil {
		return engine.Page[engine.Event]{}, err
	}
	query := paging(q.Limit, "")
	set(query, "type", q.Type)
	setSeq(query, q.After)
	var out page[engine.Event]
	err = c.do(ctx, request{method: http.MethodGet, path: path, query: query, out: &out})
	return engine.Page[engine.Event]{Items: out.Data, Next: out.NextCursor}, err
}

func eventsPath(company string) (string, error) {
	if company == "" {
		return "/v1/events", nil
	}
	return place(company, "events")
}

func setSeq(query url.Values, after uint64) {
	if after != 0 {
		query.Set("after", strconv.FormatUint(after, 10))
	}
}

// Follow is Engine.Follow: the events of all companies after seq, those of the past and then each new one, until ctx ends. When the
// server or the connection ends it first, the last error says so: go on after the last event's seq.
func (c *Client) Follow(ctx context.Context, after uint64) iter.Seq2[engine.Event, error] {
	return c.FollowCompany(ctx, "", after)
}

// FollowCompany is Follow for the events of one company.
func (c *Client) FollowCompany(ctx context.Context, company string, after uint64) iter.Seq2[engine.Event, error] {
	return func(yield func(engine.Event, error) bool) {
		stopped := false
		err := c.follow(ctx, company, after, func(e engine.Event) bool {
			after, stopped = e.Seq, !yield(e, nil)
			return !stopped
		})
		if !stopped && ctx.Err() == nil {
			yield(engine.Event{}, fmt.Errorf("follow after event %d: %w", after, err))
		}
	}
}

// follow reads until yield returns false, which gives nil, or the stream ends, which is an error.
func (c *Client) follow(ctx context.Context, company string, after uint64, yield func(engine.Event) bool) (err error) {
	path, err := eventsPath(company)
	if err != nil {
		return err
	}
	query := url.Values{}
	setSeq(query, after)
	r := request{method: http.MethodGet, path: path + "/stream", query: query}
	answer, err := c.send(ctx, r, "text/event-stream")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	for event, err := range readStream(answer.Body) {
		if err != nil {
			return c.streamEnd(err)
		}
		if event.kind == "error" {
			return problemOf("GET "+c.base+r.path, http.StatusInternalServerError, event.data)
		}
		var e engine.Event
		if err := json.Unmarshal(event.data, &e); err != nil {
			return fmt.Errorf("the stream holds what is no event: %w; check the address", err)
		}
		if !yield(e) {
			return nil
		}
	}
	return nil
}

func (c *Client) streamEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s ended the stream: %w; follow again when it is back", c.base, ports.ErrClosed)
	}
	return fmt.Errorf("%w: the stream from %s broke: %w; follow again", ErrUnreachable, c.base, err)
}

type streamEvent struct {
	kind string
	data []byte
}

// maxLine bounds a line of the stream: the largest event plans the calls of all webhooks of a company beyond the first ones.
const maxLine = 16 << 20

// readStream reads server-sent events (WHATWG HTML, section 9.2) as our server writes them: one data line each. It ends with an
// error, io.EOF at the end of the stream.
func readStream(r io.Reader) iter.Seq2[streamEvent, error] {
	return func(yield func(streamEvent, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxLine)
		var event streamEvent
		for lines.Scan() {
			line := lines.Text()
			name, value, _ := strings.Cut(line, ":")
			value = strings.TrimPrefix(value, " ")
			switch {
			case line == "" && event.data != nil:
				if !yield(event, nil) {
					return
				}
				event = streamEvent{}
			case line == "":
				event = streamEvent{}
			case name == "event":
				event.kind = value
			case name == "data":
				event.data = []byte(value)
			}
		}
		err := lines.Err()
		if err == nil {
			err = io.EOF
		}
		yield(streamEvent{}, err)
	}
}
