package core

import (
	"slices"
	"time"
)

// Bounds of a rotation: for how long the old secret signs too (Standard Webhooks, "Webhook signatures", has both sign for a time).
const (
	DefaultOverlap = 24 * time.Hour
	MaxOverlap     = 7 * 24 * time.Hour
	maxSecrets     = 8 // that sign at once: each is a signature in every attempt
)

// SealedItems names what the vault has of a webhook: its secrets, the newest first, and its headers, which it may not have.
type SealedItems struct {
	Secrets []SealedItem
	Headers SealedItem
}

// All lists them, the headers last.
func (s SealedItems) All() []SealedItem {
	all := slices.Clone(s.Secrets)
	if s.Headers.Key != nil {
		all = append(all, s.Headers)
	}
	return all
}

// A SealedItem is one vault item. Of an old secret, Until is when it signs no more; else it is zero.
type SealedItem struct {
	Key    []byte
	Digest string
	Until  time.Time
}

// sealed lists those of a webhook, secrets whose time is over too.
func (w *webhookRow) sealed() SealedItems {
	var out SealedItems
	out.Secrets = append(out.Secrets, SealedItem{Key: secretItem(w.ID, w.SecretDigest, !w.Rotated), Digest: w.SecretDigest})
	for _, old := range w.OldSecrets {
		out.Secrets = append(out.Secrets, SealedItem{Key: secretItem(w.ID, old.SecretDigest, old.First), Digest: old.SecretDigest, Until: old.Until.Time()})
	}
	if w.HeadersDigest != "" {
		out.Headers = SealedItem{Key: HeadersKey(w.ID, w.HeadersDigest), Digest: w.HeadersDigest}
	}
	return out
}

func secretItem(webhook, digest string, first bool) []byte {
	if first {
		return SecretKey(webhook)
	}
	return RotatedSecretKey(webhook, digest)
}

// rotate puts a new secret in force, and forgets the old ones that sign no more.
func (w *webhookRow) rotate(at Stamp, e WebhookSecretRotated) {
	old := append([]OldSecret{{SecretDigest: w.SecretDigest, First: !w.Rotated, Until: e.OldUntil}}, w.OldSecrets...)
	for i := range old {
		old[i].Until = min(old[i].Until, e.OldUntil) // no overlap means that none of them signs any more
	}
	w.OldSecrets = slices.DeleteFunc(old, func(o OldSecret) bool { return o.Until <= at })
	w.SecretDigest, w.Rotated = e.SecretDigest, true
}

// CheckRotation validates a rotation. It needs no state.
func CheckRotation(secret string, overlap time.Duration) error {
	var p problems
	checkSecret(&p, secret)
	if overlap < 0 || overlap > MaxOverlap {
		p.add("overlap", "overlap %s is refused; the old secret signs for 0s to %s more; change it", Duration(overlap), Duration(MaxOverlap))
	}
	return p.err()
}

// RotateSecret puts a new secret in force; seal closes it for the webhook. The old one signs too for the overlap.
func RotateSecret(s *State, in Inputs, now time.Time, company, id string, overlap time.Duration, seal func() []byte) (Decision, Webhook, error) {
	row, err := s.webhook(company, id)
	if err != nil {
		return Decision{}, Webhook{}, err
	}
	signing := slices.DeleteFunc(slices.Clone(row.OldSecrets), func(o OldSecret) bool { return !o.Until.Time().After(now) })
	if overlap > 0 && len(signing)+2 > maxSecrets {
		return Decision{}, Webhook{}, conflict("webhook %s has %d secrets that sign already; wait until the first of them ends, or rotate with overlap 0s",
			id, len(signing)+1)
	}
	var d Decision
	e := WebhookSecretRotated{Webhook: id, Company: company}
	e.SecretDigest = d.keepBy(in, seal(), func(digest string) []byte { return RotatedSecretKey(id, digest) })
	if overlap > 0 {
		e.OldUntil = StampOf(now.Add(overlap))
	}
	d.tell(e)
	after := *row
	after.rotate(StampOf(now), e)
	after.UpdatedAt = now
	d.Forget = superseded(row.sealed(), after.sealed())
	return d, after.Webhook, nil
}

// checkSecret refuses a secret that was given and could not sign.
func checkSecret(p *problems, secret string) {
	if secret == "" {
		return
	}
	if err := CheckSecret(secret); err != nil {
		p.add("secret", "%v", err)
	}
}
