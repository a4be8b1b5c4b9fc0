package posthorn_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"posthorn"
	"posthorn/adapters/memstore"
	"posthorn/engine"
	"posthorn/harness"
)

// TestBackupHoldsNoSecret looks through the bytes of a backup for webhooks' secrets, old and new, for headers' values, for API tokens and the master
// key, as they are and in every way in which they could be written. What was told is in it.
func TestBackupHoldsNoSecret(t *testing.T) {
	t.Parallel()
	raw := [engine.KeyBytes]byte([]byte("thirty-two bytes of a secret key"))
	ph := open(t, posthorn.Options{Store: memstore.New(), Key: engine.NewKey(raw)})
	receiver := harness.NewReceiver(t)
	wh, err := ph.RegisterWebhook(bounded(t), posthorn.NewWebhook{
		Company: company, URL: receiver.URL(), EventTypes: []string{"*"}, Headers: map[string]string{"Authorization": "Bearer ultramarine-5f1e"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := receiver.SetSecret(wh.Secret); err != nil {
		t.Fatal(err)
	}
	if _, err := ph.Publish(bounded(t), posthorn.NewMessage{Company: company, EventType: "a.b", Data: json.RawMessage(`"` + privateData + `"`)}); err != nil {
		t.Fatal(err)
	}
	ended(t, ph, "CallSucceeded")
	rotated, err := ph.RotateSecret(bounded(t), posthorn.Rotation{Company: company, ID: wh.ID})
	if err != nil {
		t.Fatal(err)
	}
	token := apiToken(t, ph)
	var file bytes.Buffer
	if _, err := ph.Backup(bounded(t), &file, nil); err != nil {
		t.Fatal(err)
	}
	shut(t, ph)
	secrets := []string{string(raw[:]), "Bearer ultramarine-5f1e", "ultramarine-5f1e", token, token[strings.LastIndex(token[:32], "_")+1:]}
	for _, text := range []string{wh.Secret, rotated.Secret} {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, text, strings.TrimPrefix(text, "whsec_"), string(key))
	}
	for _, secret := range secrets {
		absent(t, "the backup", file.Bytes(), written(secret))
	}
	if !bytes.Contains(file.Bytes(), []byte(privateData)) {
		t.Error("the backup does not hold what was told; nothing was looked at")
	}
}

// written gives the ways in which a secret could stand somewhere.
func written(secret string) []string {
	b := []byte(secret)
	return []string{
		secret, hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)),
		base64.RawStdEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b),
	}
}
