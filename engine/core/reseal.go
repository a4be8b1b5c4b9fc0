package core

import (
	"slices"
	"time"

	"posthorn/ports"
)

// A ResealJob seals the webhooks' secrets and headers under the newest master key. Which is the newest, and how far the job is, the engine
// knows: begun again, the job passes over what is sealed under it already.
type ResealJob struct {
	// Begun is the event that began it.
	Begun uint64 `cbor:"111,keyasint,omitempty"`
}

// resealJob is the name of the one job: a rotation that begins while it is open needs no other.
const resealJob = "reseal"

func (s *State) foldReseal(r Recorded) error {
	switch e := r.Event.(type) {
	case MasterKeyRotated:
		return set(s, JobKey(resealJob), func(j *Job) { *j = Job{Name: resealJob, Reseal: &ResealJob{Begun: r.Seq}} })
	case WebhookResealed:
		return set(s, WebhookKey(e.Company, e.Webhook), func(row *webhookRow) { row.reseal(e) })
	}
	return nil
}

// reseal takes the places of the sealed items. It changes nothing that anybody asked for, so UpdatedAt stays.
func (w *webhookRow) reseal(e WebhookResealed) {
	w.OldSecrets = slices.Clone(w.OldSecrets[:min(len(w.OldSecrets), len(e.Secrets)-1)])
	for i, digest := range e.Secrets {
		if i == 0 {
			w.Rotated, w.SecretDigest = w.Rotated || digest != w.SecretDigest, digest
			continue
		}
		old := &w.OldSecrets[i-1]
		old.First, old.SecretDigest = old.First && digest == old.SecretDigest, digest
	}
	w.HeadersDigest = e.HeadersDigest
}

// Resealing is whether the job is open.
func Resealing(s *State) (bool, error) {
	job, err := load[Job](s, JobKey(resealJob))
	return job != nil, err
}

// RotateMasterKey begins the job, unless it is open.
func RotateMasterKey(s *State) (Decision, error) {
	if open, err := Resealing(s); err != nil || open {
		return Decision{}, err
	}
	return Decision{Events: []Event{MasterKeyRotated{}}}, nil
}

// EndReseal ends the job.
func EndReseal(s *State) (Decision, error) {
	if open, err := Resealing(s); err != nil || !open {
		return Decision{}, err
	}
	return Decision{Events: []Event{JobEnded{Job: resealJob}}}, nil
}

// A Resealer closes what a vault item holds under the newest master key; nil for an item that is closed under it already.
type Resealer interface {
	ResealSecret(webhook string, item SealedItem) ([]byte, error)
	ResealHeaders(webhook string, item SealedItem) ([]byte, error)
}

// wanted lists what is still needed of the sealed items: no secret that signs no more, and of a deleted webhook the newest secret alone, by
// which the bodies of its calls are shown. No secret signs longer than the one ahead of it, so those that are over stand at the end.
func (w *webhookRow) wanted(now time.Time) SealedItems {
	all := w.sealed()
	if w.Deleted {
		return SealedItems{Secrets: all.Secrets[:1]}
	}
	all.Secrets = slices.DeleteFunc(all.Secrets, func(i SealedItem) bool { return !i.Until.IsZero() && !i.Until.After(now) })
	return all
}

// Retires tells whether the vault holds items of a webhook that are not needed any more.
func Retires(webhook ports.Pair, now time.Time) (bool, error) {
	row, err := parse[webhookRow](webhook)
	return err == nil && len(superseded(row.sealed(), row.wanted(now))) > 0, err
}

// ResealWebhooks puts items closed under the newest master key in place of the others, and forgets those that are not needed any more.
// Where nothing is to be done it decides nothing.
func ResealWebhooks(s *State, in Inputs, now time.Time, webhooks []WebhookRef, by Resealer) (Decision, error) {
	var all Decision
	for _, w := range webhooks {
		d, err := resealWebhook(s, in, now, w.Company, w.Webhook, by)
		if err != nil {
			return Decision{}, err
		}
		all.Events, all.Vault, all.Forget = append(all.Events, d.Events...), append(all.Vault, d.Vault...), append(all.Forget, d.Forget...)
	}
	return all, nil
}

// A WebhookRef names a webhook.
type WebhookRef struct{ Company, Webhook string }

func resealWebhook(s *State, in Inputs, now time.Time, company, id string, by Resealer) (Decision, error) {
	row, err := load[webhookRow](s, WebhookKey(company, id))
	if err != nil || row == nil {
		return Decision{}, err
	}
	var d Decision
	before, wanted := row.sealed(), row.wanted(now)
	e := WebhookResealed{Webhook: id, Company: company}
	for _, item := range wanted.Secrets {
		sealed, err := by.ResealSecret(id, item)
		if err != nil {
			return Decision{}, err
		}
		e.Secrets = append(e.Secrets, d.replace(in, item, sealed, func(digest string) []byte { return RotatedSecretKey(id, digest) }))
	}
	if wanted.Headers.Key != nil {
		sealed, err := by.ResealHeaders(id, wanted.Headers)
		if err != nil {
			return Decision{}, err
		}
		e.HeadersDigest = d.replace(in, wanted.Headers, sealed, func(digest string) []byte { return HeadersKey(id, digest) })
	}
	after := *row
	after.reseal(e)
	if d.Forget = superseded(before, after.sealed()); len(d.Forget) == 0 {
		return Decision{}, nil
	}
	d.tell(e)
	return d, nil
}

// replace keeps an item in its new form and returns the digest, or that of the item as it is.
func (d *Decision) replace(in Inputs, item SealedItem, sealed []byte, k func(digest string) []byte) string {
	if sealed == nil {
		return item.Digest
	}
	return d.keepBy(in, sealed, k)
}

// superseded lists the keys of what was a webhook's and is not any more.
func superseded(before, after SealedItems) (keys [][]byte) {
	kept := map[string]bool{}
	for _, item := range after.All() {
		kept[string(item.Key)] = true
	}
	for _, item := range before.All() {
		if !kept[string(item.Key)] {
			keys = append(keys, item.Key)
		}
	}
	return keys
}
