package engine

import (
	"errors"
	"fmt"

	"posthorn/engine/core"
	"posthorn/ports"
)

// readWebhook returns a webhook and its secret in the clear, or ErrNotFound.
func readWebhook(r ports.Reader, s sealer, company, id string) (core.Webhook, string, error) {
	k := core.WebhookKey(company, id)
	value, err := r.Get(k)
	if err != nil {
		return core.Webhook{}, "", fmt.Errorf("read webhook %s: %w", core.Show(id), err)
	}
	w, digest, ok, err := core.ParseWebhook(ports.Pair{Key: k, Value: value})
	if err != nil {
		return core.Webhook{}, "", err
	}
	if !ok {
		return core.Webhook{}, "", fmt.Errorf("read webhook %s: %w", core.Show(id), ports.ErrNotFound)
	}
	sealed, err := readVault(r, core.SecretKey(id), digest)
	if err != nil {
		return core.Webhook{}, "", fmt.Errorf("read secret of webhook %s: %w", id, err)
	}
	secret, err := s.open(secretPurpose(id), sealed)
	if err != nil {
		return core.Webhook{}, "", fmt.Errorf("open secret of webhook %s: %w", id, err)
	}
	return w, string(secret), nil
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
