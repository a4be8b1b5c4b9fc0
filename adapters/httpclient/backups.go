package httpclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"posthorn/engine/backup"
	"posthorn/ports"
)

const octets = "application/octet-stream"

// Backup is Engine.Backup: it writes what the server sends, and checks it meanwhile. After an error what was written is no backup.
func (c *Client) Backup(ctx context.Context, to io.Writer, since *backup.Outline) (made backup.Summary, err error) {
	r := request{method: http.MethodPost, path: "/v1/backups"}
	if since != nil {
		var outline bytes.Buffer
		if _, err := since.WriteTo(&outline); err != nil {
			return made, err
		}
		r.raw = outline.Bytes()
	}
	answer, err := c.send(ctx, r, octets)
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	sink := &sink{to: to}
	o, err := backup.Read(io.TeeReader(answer.Body, sink))
	switch {
	case sink.err != nil:
		return made, sink.err // Read has seen only that its source ended
	case ctx.Err() != nil:
		return made, fmt.Errorf("back up from %s: %w", c.base, ctx.Err())
	case errors.Is(err, ports.ErrDamaged):
		return made, fmt.Errorf("%w: the backup from %s ended early, or was changed on its way; see the engine's log, and run it again: %w",
			ErrUnreachable, c.base, err)
	case err != nil:
		return made, fmt.Errorf("%w: the backup from %s broke off: %w; run it again", ErrUnreachable, c.base, err)
	case since != nil && (o.Summary().Since == nil || *o.Summary().Since != since.Digest()):
		return made, fmt.Errorf("the backup from %s does not build on %s, as was asked; check the address", c.base, since.Digest())
	}
	return o.Summary(), nil
}

// A sink remembers that writing failed, which a reader through it cannot tell from a failed read.
type sink struct {
	to  io.Writer
	err error
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.to.Write(b)
	s.err = err
	return n, err
}
