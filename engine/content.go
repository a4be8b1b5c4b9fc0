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

// callBody writes what the receiver of a call gets. It returns ErrNotFound when a part is not kept any more.
func callBody(r ports.Reader, call core.Call, hasData bool, secret string) ([]byte, error) {
	var resource, data []byte
	var err error
	if call.Resource != nil {
		if resource, err = readVault(r, core.ResourceKey(*call.Resource), ""); err != nil {
			return nil, fmt.Errorf("read %s %s: %w", call.Resource.Type, core.Show(call.Resource.ID), err)
		}
	}
	if hasData {
		if data, err = readVault(r, core.DataKey(call.Message), ""); err != nil {
			return nil, fmt.Errorf("read data of message %s: %w", call.Message, err)
		}
	}
	return core.Body(call, resource, data, secret), nil
}

// optional turns ErrNotFound into nothing.
func optional(value []byte, err error) ([]byte, error) {
	if errors.Is(err, ports.ErrNotFound) {
		return nil, nil
	}
	return value, err
}
