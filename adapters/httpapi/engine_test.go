package httpapi_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/adapters/gochannel"
	"posthorn/adapters/httpapi"
	"posthorn/adapters/memstore"
	"posthorn/adapters/watermillbus"
	"posthorn/engine"
	"posthorn/ports"
	"posthorn/ports/portstest"
)

var _ httpapi.Engine = (*engine.Engine)(nil)

type seedRow struct {
	PK        string `json:"pk"`
	CreatedAt string `json:"createdAt"`
	Status    string `json:"status"`
	Payload   struct {
		Resource    map[string]any `json:"resource"`
		ResourceID  string         `json:"resourceId"`
		TriggeredAt string         `json:"triggeredAt"`
		Token       string         `json:"token"`
	} `json:"payload"`
	Output string `json:"output"`
}

// The seed's journey over a real engine: register, create, and the history while it waits, after success and after failure.
func TestSeedOverTheEngine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		caller, channel := portstest.NewScriptedCaller(), gochannel.New()
		e, err := engine.Open(t.Context(), engine.Options{
			Store: memstore.New(), Bus: watermillbus.New(channel, channel, watermillbus.Options{}), Caller: caller,
			Key: engine.NewKey([engine.KeyBytes]byte{1}),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}()
		h := serve(e)
		ask := func(r request, into any) {
			t.Helper()
			out := send(h, r)
			if out.Code != http.StatusOK {
				t.Fatalf("%s %s: %d %s", r.method, r.path, out.Code, out.Body)
			}
			if err := json.Unmarshal(out.Body.Bytes(), into); err != nil {
				t.Fatal(err)
			}
		}
		history := func() (rows []seedRow) {
			t.Helper()
			var page struct {
				Data []seedRow `json:"data"`
			}
			ask(get("", "/webhook_history/42"), &page)
			return page.Data
		}
		answer := func(status int) {
			caller.Respond(func(ports.Request) portstest.ScriptedReply {
				return portstest.ScriptedReply{Reply: ports.Reply{Status: status}, After: time.Second}
			})
		}
		var registered, created struct {
			Data struct {
				Token string `json:"token"`
				ID    string `json:"id"`
			} `json:"data"`
		}
		hook := post("", "/webhooks", `{"companyId": 42, "url": "https://receiver.example/hook", "eventType": "candidate.created"}`)
		ask(hook, &registered)
		if out := send(h, hook); out.Code != http.StatusConflict || !strings.Contains(out.Body.String(), `"Record exists."`) {
			t.Errorf("twice: %d %s", out.Code, out.Body)
		}

		answer(http.StatusOK)
		ask(post("", "/candidates", ada), &created)
		if rows := history(); len(rows) != 1 || rows[0].Status != "pending" || rows[0].Output != "{}" {
			t.Errorf("while it waits: %+v", rows)
		}
		time.Sleep(2 * time.Second) // the bubble's time
		rows := history()
		if len(rows) != 1 || rows[0].Status != "success" || rows[0].Output != "{}" || rows[0].Payload.ResourceID != created.Data.ID {
			t.Fatalf("after success: %+v", rows)
		}
		p := rows[0].Payload
		sum := hmac.New(sha256.New, []byte(registered.Data.Token))
		sum.Write([]byte(p.ResourceID + rows[0].CreatedAt))
		if p.TriggeredAt != rows[0].CreatedAt || p.Token != hex.EncodeToString(sum.Sum(nil)) || p.Resource["location"] != "London" {
			t.Errorf("payload %+v of %s", p, rows[0].CreatedAt)
		}

		answer(http.StatusInternalServerError)
		ask(post("", "/candidates", ada), &created)
		time.Sleep(time.Hour)
		rows = history()
		var output struct {
			Error string `json:"Error"`
			Cause string `json:"Cause"`
		}
		if len(rows) != 2 || rows[0].Status != "failed" || json.Unmarshal([]byte(rows[0].Output), &output) != nil {
			t.Fatalf("after failure: %+v", rows)
		}
		if output.Cause != "Webhook call failure" || !strings.HasPrefix(output.Error, "schedule used up") {
			t.Errorf("output %s", rows[0].Output)
		}
	})
}
