package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"posthorn/engine"
	"posthorn/engine/core"
)

// seedPage is how many rows the history shows without a limit, and the most with one.
const seedPage = engine.MaxLimit

type seedHistory struct {
	Data       []seedCall `json:"data"`
	NextCursor string     `json:"nextCursor,omitempty"`
}

type seedCall struct {
	PK        string          `json:"pk"`
	Company   string          `json:"companyId"`
	CreatedAt string          `json:"createdAt"`
	Status    string          `json:"status"`
	URL       string          `json:"url"`
	Payload   json.RawMessage `json:"payload"`
	Output    string          `json:"output"`
}

func (s *server) seedHistory(w http.ResponseWriter, r *http.Request) {
	const failed = "Webhook history failed"
	limit, err := seedLimit(r.URL.Query().Get("limit"))
	if err != nil {
		s.seedRefuse(w, r, failed, err)
		return
	}
	page, err := s.engine.History(r.Context(), engine.CallQuery{
		Company: r.PathValue("companyId"), Limit: limit, Cursor: r.URL.Query().Get("cursor"),
	})
	if err != nil {
		s.seedRefuse(w, r, failed, err)
		return
	}
	history := seedHistory{Data: make([]seedCall, len(page.Items)), NextCursor: page.Next}
	for i, row := range page.Items {
		history.Data[i] = seedRow(row)
	}
	buf, _ := s.bodies.pool.Get().(*bytes.Buffer)
	defer s.bodies.done(buf)
	encoder := json.NewEncoder(buf)
	encoder.SetEscapeHTML(false) // the payload as it was sent
	if err := encoder.Encode(history); err != nil {
		s.seedRefuse(w, r, failed, fmt.Errorf("write history: %w", err))
		return
	}
	writeJSON(w, http.StatusOK, buf.Bytes())
}

func seedLimit(text string) (int, error) {
	if text == "" {
		return seedPage, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > seedPage {
		return 0, &engine.InvalidError{Problems: []engine.Problem{{
			Field: "limit", Text: fmt.Sprintf("limit %s is refused; it is a number from 1 to %d; change it", show(text), seedPage),
		}}}
	}
	return limit, nil
}

func seedRow(row engine.HistoryRow) seedCall {
	out := seedCall{
		PK: row.ID, Company: row.Company, CreatedAt: formatTime(row.CreatedAt), URL: row.URL, Payload: row.Body,
		Status: seedStatus(row.State), Output: "{}",
	}
	if out.Payload == nil {
		out.Payload = json.RawMessage("{}") // the seed's clients expect an object
	}
	if out.Status == "failed" {
		out.Output = string(toJSON(seedOutput{seedReason(row.Call), "Webhook call failure"}))
	}
	return out
}

type seedOutput struct {
	Error string `json:"Error"` //nolint:tagliatelle // the seed's name
	Cause string `json:"Cause"` //nolint:tagliatelle // the seed's name
}

// seedStatus knows three states: what was skipped or cancelled shows as failed.
func seedStatus(state engine.CallState) string {
	switch state {
	case core.Pending:
		return "pending"
	case core.Succeeded:
		return "success"
	default:
		return "failed"
	}
}

// seedReason says why a call ended, and what its last attempt met.
func seedReason(c engine.Call) string {
	last := c.LastError
	if last == "" && c.LastStatus != 0 {
		last = "the receiver answered " + strconv.Itoa(c.LastStatus)
	}
	switch {
	case last == "":
		return string(c.Reason)
	case c.Reason == "":
		return last
	default:
		return string(c.Reason) + ": " + last
	}
}

func formatTime(t time.Time) string { return core.FormatTime(t) }
