package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"posthorn/engine/core"
	"posthorn/ports"
)

// A secured webhook is one with what is sealed of it in the clear.
type secured struct {
	core.Webhook
	secrets []signingSecret // the newest first
	headers map[string]string
}

// A signingSecret signs until a time; the zero one is for ever.
type signingSecret struct {
	Secret string    `cbor:"1,keyasint"`
	Until  time.Time `cbor:"2,keyasint"`
}

// readWebhook returns a webhook with its secrets and headers, or ErrNotFound.
func readWebhook(r ports.Reader, s sealer, company, id string) (secured, error) {
	k := core.WebhookKey(company, id)
	value, err := r.Get(k)
	if err != nil {
		return secured{}, fmt.Errorf("read webhook %s: %w", core.Show(id), err)
	}
	w, sealed, ok, err := core.ParseWebhook(ports.Pair{Key: k, Value: value})
	if err != nil {
		return secured{}, err
	}
	if !ok {
		return secured{}, fmt.Errorf("read webhook %s: %w", core.Show(id), ports.ErrNotFound)
	}
	out := secured{Webhook: w}
	for _, item := range sealed.Secrets {
		secret, err := openItem(r, s, item, secretPurpose(id))
		if err != nil {
			return secured{}, fmt.Errorf("open secret of webhook %s: %w", id, err)
		}
		out.secrets = append(out.secrets, signingSecret{Secret: string(secret), Until: item.Until})
	}
	if sealed.Headers.Key != nil {
		headers, err := openItem(r, s, sealed.Headers, headersPurpose(id))
		if err == nil {
			err = json.Unmarshal(headers, &out.headers)
		}
		if err != nil {
			return secured{}, fmt.Errorf("open headers of webhook %s: %w", id, err)
		}
	}
	return out, nil
}

// newestSecret returns the one that is in force of a webhook, which may have been deleted.
func newestSecret(r ports.Reader, s sealer, company, id string) (string, error) {
	k := core.WebhookKey(company, id)
	value, err := r.Get(k)
	if err != nil {
		return "", fmt.Errorf("read webhook %s: %w", core.Show(id), err)
	}
	_, sealed, _, err := core.ParseWebhook(ports.Pair{Key: k, Value: value})
	if err != nil {
		return "", err
	}
	secret, err := openItem(r, s, sealed.Secrets[0], secretPurpose(id))
	if err != nil {
		return "", fmt.Errorf("open secret of webhook %s: %w", id, err)
	}
	return string(secret), nil
}

func openItem(r ports.Reader, s sealer, item core.SealedItem, purpose string) ([]byte, error) {
	sealed, err := readVault(r, item.Key, item.Digest)
	if err != nil {
		return nil, err
	}
	data, _, err := s.openStored(purpose, sealed)
	return data, err
}

func headersPurpose(webhook string) string { return "headers/" + webhook }

// sealHeaders closes a webhook's headers; nil for none.
func sealHeaders(s sealer, webhook string, headers map[string]string) []byte {
	if len(headers) == 0 {
		return nil
	}
	plain, _ := json.Marshal(headers) //nolint:errchkjson // texts can be written
	return s.seal(headersPurpose(webhook), plain)
}

func secretPurpose(webhook string) string { return "secret/" + webhook }

// readVault returns a vault item's data; an empty digest is not checked.
func readVault(r ports.Reader, k []byte, digest string) ([]byte, error) {
	value, err := r.Get(k)
	if err != nil {
		return nil, err
	}
	return core.OpenVaultItem(value, digest)
}

// callBody writes what the receiver of a call gets: from what the call carries, or else from the vault. It returns ErrNotFound when a
// part is not kept any more.
func callBody(r ports.Reader, c core.FreshCall, secret string) ([]byte, error) {
	resource, data := c.Resource, c.Data
	var err error
	if ref := c.Call.Resource; ref != nil && resource == nil {
		if resource, err = readVault(r, core.ResourceKey(*ref), ""); err != nil {
			return nil, fmt.Errorf("read %s %s: %w", ref.Type, core.Show(ref.ID), err)
		}
	}
	if c.HasData && data == nil {
		if data, err = readVault(r, core.DataKey(c.Call.Message), ""); err != nil {
			return nil, fmt.Errorf("read data of message %s: %w", c.Call.Message, err)
		}
	}
	return core.Body(c.Call, resource, data, secret), nil
}

// optional turns ErrNotFound into nothing.
func optional(value []byte, err error) ([]byte, error) {
	if errors.Is(err, ports.ErrNotFound) {
		return nil, nil
	}
	return value, err
}
