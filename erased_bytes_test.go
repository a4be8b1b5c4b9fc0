package posthorn_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"posthorn"
	"posthorn/adapters/badgerstore"
	"posthorn/adapters/httpapi"
	"posthorn/engine"
	"posthorn/harness"
)

// spellings are a marker as it is, and as it would look in the usual encodings of a text that holds it.
func spellings(marker string) map[string][]byte {
	all := map[string][]byte{"plain": []byte(marker), "hex": []byte(hex.EncodeToString([]byte(marker)))}
	all["HEX"] = bytes.ToUpper(all["hex"])
	for shift := range 3 { // what of base64 is the same whatever stands around
		shifted := append(make([]byte, shift), marker...)
		from, to := (shift*8+5)/6, len(shifted)*8/6
		all[fmt.Sprint("base64 at ", shift)] = []byte(base64.RawStdEncoding.EncodeToString(shifted)[from:to])
		all[fmt.Sprint("base64url at ", shift)] = []byte(base64.RawURLEncoding.EncodeToString(shifted)[from:to])
	}
	for _, verb := range []string{`\u%04x`, `\u%04X`, `%%%02x`, `%%%02X`} {
		text := ""
		for _, b := range []byte(marker) {
			text += fmt.Sprintf(verb, b)
		}
		all[verb] = []byte(text)
	}
	var little, big []byte
	for _, unit := range utf16.Encode([]rune(marker)) {
		little, big = append(little, byte(unit), byte(unit>>8)), append(big, byte(unit>>8), byte(unit))
	}
	all["UTF-16LE"], all["UTF-16BE"] = little, big
	return all
}

// found lists where in the texts one of the markers stands, in any spelling.
func found(texts map[string][]byte, markers ...string) (places []string) {
	for _, marker := range markers {
		for spelling, bytesOf := range spellings(marker) {
			for name, text := range texts {
				if bytes.Contains(text, bytesOf) {
					places = append(places, fmt.Sprintf("%.60q as %s in %s", marker, spelling, name))
				}
			}
		}
	}
	return places
}

// filesOf returns all files of a directory, and of those in it.
func filesOf(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestSpellings(t *testing.T) {
	t.Parallel()
	const marker = "Quince-marker?>~ÿ"
	for _, around := range []string{"", "a", "ab", "abc"} {
		text := []byte(around + marker + around)
		for name, encoded := range map[string]string{
			"plain": string(text), "base64": base64.StdEncoding.EncodeToString(text), "base64url": base64.URLEncoding.EncodeToString(text),
			"hex": fmt.Sprintf("%x", text), "HEX": fmt.Sprintf("%X", text), "percent": "%" + strings.ReplaceAll(fmt.Sprintf("% X", text), " ", "%"),
			"JSON": `\u00` + strings.ReplaceAll(fmt.Sprintf("% x", text), " ", `\u00`),
		} {
			if len(found(map[string][]byte{name: []byte(encoded)}, marker)) == 0 {
				t.Errorf("%s of %q is not found", name, text)
			}
		}
	}
}

// A told is everything that an engine with a directory of its own leaves or tells.
type told struct {
	dir  string
	logs pool
	ph   *posthorn.Posthorn
}

func newTold(t *testing.T) *told {
	t.Helper()
	a := &told{dir: t.TempDir()}
	logger := slog.New(slog.NewTextHandler(&a.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a.ph = open(t, posthorn.Options{Dir: a.dir, Logger: logger})
	return a
}

// An idList is what a list of the API has in common with others.
type idList struct {
	Data []struct {
		ID string `json:"id"`
	} `json:"data"`
}

// answers are those of the API to everybody who may ask, the ids taken from the answers before.
func (a *told) answers(t *testing.T) []byte {
	t.Helper()
	var all bytes.Buffer
	api := httpapi.Handler(a.ph, httpapi.Options{Authorize: httpapi.AllowAll})
	get := func(path string) (listed idList) {
		t.Helper()
		answer := httptest.NewRecorder()
		api.ServeHTTP(answer, httptest.NewRequestWithContext(bounded(t), http.MethodGet, path, nil))
		if answer.Code != http.StatusOK {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
		_, _ = fmt.Fprintf(&all, "%s\n%s\n%s\n", path, answer.Header(), answer.Body) // a buffer
		_ = json.Unmarshal(answer.Body.Bytes(), &listed)                             // one thing is no list
		return listed
	}
	const ours = "/v1/companies/" + company
	for _, kind := range []string{"webhooks", "calls", "candidates"} {
		for _, one := range get(ours + "/" + kind).Data {
			get(ours + "/" + kind + "/" + one.ID)
			if kind == "webhooks" {
				get(ours + "/webhooks/" + one.ID + "/timeline")
			}
		}
	}
	for _, path := range []string{ours + "/events", "/v1/events", ours + "/undelivered", "/v1/keys", "/webhook_history/" + company} {
		get(path)
	}
	return all.Bytes()
}

// stop ends the engine, has its store compacted, and returns all that may be read then: files, logs, answers, an export with bodies.
func (a *told) stop(t *testing.T) map[string][]byte {
	t.Helper()
	answers := a.answers(t)
	shut(t, a.ph)
	before := filesOf(t, a.dir)
	if _, err := badgerstore.Compact(bounded(t), a.store()); err != nil {
		t.Fatal(err)
	}
	if len(before) == 0 {
		t.Error("there were no files")
	}
	store, err := badgerstore.Open(bounded(t), a.store())
	if err != nil {
		t.Fatal(err)
	}
	var export bytes.Buffer
	lines := json.NewEncoder(&export)
	err = engine.Export(bounded(t), store, engine.ExportQuery{Bodies: true}, func(e engine.ExportedEvent) error { return lines.Encode(e) })
	if err != nil {
		t.Error(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	texts := filesOf(t, a.dir)
	texts["the logs"], texts["the API's answers"], texts["the export"] = a.logs.bytes(), answers, export.Bytes()
	return texts
}

func (a *told) store() badgerstore.Options {
	return badgerstore.Options{Dir: a.dir, Logger: slog.New(slog.DiscardHandler), DiskFloor: 1}
}

// answeringBut is a receiver that answers with a word, but to deliveries that hold another.
func answeringBut(t *testing.T, word, but string) *harness.Receiver {
	t.Helper()
	r := harness.NewReceiver(t)
	r.Reply(harness.Reply{Status: http.StatusOK, Body: word, Keep: true, When: func(d harness.Delivery) bool { return !bytes.Contains(d.Body, []byte(but)) }})
	return r
}

// TestErasedBytesAreGone erases candidates and messages in every place where they leave something, and searches every byte of a compacted
// directory, the logs, the API's answers and an export for them, in all usual encodings. What was not erased is found.
func TestErasedBytesAreGone(t *testing.T) {
	t.Parallel()
	const field, name, email, data, answer, kept = "quince-field-marker", "Quince-name-marker", "quince.mail.marker@example.com",
		"quince-data-marker", "quince-answer-marker", "medlar-kept-marker"
	erased := []string{field, name, email, data, answer}
	a := newTold(t)
	ctx := bounded(t)
	register(t, a.ph, answeringBut(t, answer, kept))
	private := ada()
	private.Email, private.LastName, private.Fields, private.IdempotencyKey = email, name, map[string]any{"about": field}, "one"
	c, err := a.ph.CreateCandidate(ctx, private)
	must(t, err)
	_, err = a.ph.UpdateCandidate(ctx, company, c.ID, map[string]any{"about": field + " again"})
	must(t, err)
	m, err := a.ph.Publish(ctx, posthorn.NewMessage{Company: company, EventType: "invoice.paid", IdempotencyKey: "two", Data: json.RawMessage(`{"a":"` + data + `"}`)})
	must(t, err)
	_, err = a.ph.Publish(ctx, posthorn.NewMessage{Company: company, EventType: "invoice.kept", Data: json.RawMessage(`{"a":"` + kept + `"}`)})
	must(t, err)
	awaitEvents(t, a.ph, "CallSucceeded", 4)
	must(t, a.ph.EraseCandidate(ctx, company, c.ID))
	must(t, a.ph.EraseMessage(ctx, company, m.ID))
	awaitEvents(t, a.ph, "JobEnded", 2)

	before := found(filesOf(t, a.dir), erased...)
	for _, marker := range erased { // or the search would prove nothing
		if !strings.Contains(fmt.Sprint(before), fmt.Sprintf("%q as plain", marker)) {
			t.Errorf("before store compact %q stands nowhere", marker)
		}
	}
	texts := a.stop(t)
	if places := found(texts, erased...); len(places) > 0 {
		t.Errorf("what was erased is found:\n%s", strings.Join(places, "\n"))
	}
	for _, where := range []string{"the API's answers", "the export", ".sst"} {
		if !strings.Contains(fmt.Sprint(found(texts, kept)), where) {
			t.Errorf("what was kept does not stand in %s", where)
		}
	}
}

// TestSecretsStandNowhere has webhooks with secrets and sensitive headers registered, rotated, changed and called, well and badly, and makes
// the same search for them: before store compact, and after.
func TestSecretsStandNowhere(t *testing.T) {
	t.Parallel()
	const header, changed, kept = "Bearer quince-header-marker", "Bearer quince-changed-marker", "medlar-kept-marker"
	a := newTold(t)
	ctx := bounded(t)
	receiver := harness.NewReceiver(t)
	receiver.Reply(harness.Reply{Status: http.StatusInternalServerError}) // the first attempt
	given := posthorn.NewWebhook{
		Company: company, URL: receiver.URL() + "/hook", EventTypes: []string{"*"}, Schedule: []time.Duration{time.Millisecond},
		Secret: "whsec_UXVpbmNlLXNlY3JldC1tYXJrZXItb2YtMzItYnl0ZXM=", Headers: map[string]string{"Authorization": header},
	}
	wh, err := a.ph.RegisterWebhook(ctx, given)
	must(t, err)
	data := json.RawMessage(`{"a":"` + kept + `"}`)
	_, err = a.ph.Publish(ctx, posthorn.NewMessage{Company: company, EventType: "invoice.paid", Data: data})
	must(t, err)
	awaitEvents(t, a.ph, "CallSucceeded", 1)
	rotated, err := a.ph.RotateSecret(ctx, posthorn.Rotation{Company: company, ID: wh.ID})
	must(t, err)
	_, err = a.ph.UpdateWebhook(ctx, posthorn.WebhookEdit{Company: company, ID: wh.ID, Headers: map[string]string{"Authorization": changed}})
	must(t, err)
	_, err = a.ph.TestWebhook(ctx, company, wh.ID)
	must(t, err)

	secrets := []string{header, changed}
	for _, secret := range []string{given.Secret, rotated.Secret} {
		text := strings.TrimPrefix(secret, "whsec_")
		key, err := base64.StdEncoding.DecodeString(text)
		must(t, err)
		secrets = append(secrets, text, string(key))
	}
	if places := found(filesOf(t, a.dir), secrets...); len(places) > 0 {
		t.Errorf("of a running engine:\n%s", strings.Join(places, "\n"))
	}
	texts := a.stop(t)
	if places := found(texts, secrets...); len(places) > 0 {
		t.Errorf("secrets are found:\n%s", strings.Join(places, "\n"))
	}
	for _, where := range []string{"the API's answers", "the export", ".sst"} {
		if !strings.Contains(fmt.Sprint(found(texts, kept)), where) {
			t.Errorf("what is no secret does not stand in %s", where)
		}
	}
	if !bytes.Contains(texts["the logs"], []byte("level=")) {
		t.Error("nothing was logged")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// awaitEvents waits until n events of the type are in the log.
func awaitEvents(t *testing.T, ph *posthorn.Posthorn, eventType string, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	for ev, err := range ph.Follow(ctx, 0) {
		must(t, err)
		if ev.Type == eventType {
			n--
		}
		if n == 0 {
			return
		}
	}
	t.Fatalf("%d more %s were to come", n, eventType)
}
