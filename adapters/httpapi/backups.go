package httpapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"posthorn/engine/backup"
	"posthorn/ports"
)

// backupsPath takes bytes where others take JSON, and more of them: see checkedMux.
const backupsPath = "/v1/backups"

// maxOutline is the most bytes of an outline, some 45 for each chunk: that of a store of more than 100 GiB.
const maxOutline = 64 << 20

// outlineTime is how long an outline may take to come.
const outlineTime = 5 * time.Minute

// A backer makes backups.
type backer interface {
	Backup(ctx context.Context, to io.Writer, since *backup.Outline) (backup.Summary, error)
}

func (s *server) addBackups(api huma.API) {
	binary := &huma.Schema{Type: huma.TypeString, Format: "binary"}
	op := s.op("make-backup", http.MethodPost, backupsPath, "Back everything up as it is now: in full, or what an earlier backup has not", http.StatusOK)
	op.RequestBody = &huma.RequestBody{
		Description: "The outline of the earlier backup, or nothing for a full one",
		Content:     map[string]*huma.MediaType{octets: {Schema: binary}},
	}
	op.Responses = map[string]*huma.Response{"200": {
		Description: "The backup. One that was cut off lacks its end: read it with package engine/backup, or let posthorn backup do it",
		Content:     map[string]*huma.MediaType{octets: {Schema: binary}},
	}}
	register(api, op, func(context.Context, *struct{}) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			r, w := humago.Unwrap(ctx)
			s.backup(w, r)
		}}, nil
	})
}

const octets = "application/octet-stream"

func (s *server) backup(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(outlineTime)) // a recorder in tests has none
	since, err := outlineOf(http.MaxBytesReader(w, r.Body, maxOutline))
	if err != nil {
		writeProblem(w, problemOf(err, inBody))
		return
	}
	_ = control.SetReadDeadline(time.Time{}) // a backup may take hours, and that nothing more is sent is no fault
	out := &slowWriter{to: w, control: control}
	if _, err = s.engine.Backup(r.Context(), out, since); err == nil {
		return
	}
	p := problemOf(err, inBody)
	s.note(r, p)
	if !out.begun {
		writeProblem(w, p)
		return
	}
	panic(http.ErrAbortHandler) // half an answer must not look whole
}

// outlineOf reads the earlier backup's outline; nil where nothing was sent.
func outlineOf(body io.Reader) (*backup.Outline, error) {
	in := bufio.NewReader(body)
	if _, err := in.Peek(1); err == io.EOF {
		return nil, nil //nolint:nilnil // no backup is before it
	}
	o, err := backup.ReadOutline(in)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, newBodies(maxOutline).tooLarge()
	}
	if errors.Is(err, ports.ErrDamaged) {
		return nil, malformed("%v", err)
	}
	if err != nil {
		return nil, cutShort(err)
	}
	return o, nil
}

// A slowWriter begins an answer with its first bytes, and cuts off a client that takes nothing for a while: the store keeps what a backup sees.
type slowWriter struct {
	to      http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

// Write writes with a deadline of its own, as the server's is for whole answers.
func (w *slowWriter) Write(b []byte) (int, error) {
	if !w.begun {
		w.begun = true
		w.to.Header().Set("Content-Type", octets)
		w.to.WriteHeader(http.StatusOK)
	}
	if err := w.control.SetWriteDeadline(time.Now().Add(writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return w.to.Write(b)
}
