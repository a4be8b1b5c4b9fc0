package core

import (
	"strconv"
	"strings"
)

// Every key of the store is drawn here. The first byte says what may be done with it: rows ('r') can be folded again from the
// log, vault items ('v') cannot, marks ('m') are the engine's own. Parts are separated by a zero byte, which no id and no
// company may hold, so that one company's keys never run into another's.
const (
	rowPrefix   = "r"
	vaultPrefix = "v"
	markPrefix  = "m"
)

func key(parts ...string) []byte {
	size := len(parts) - 1
	for _, p := range parts {
		size += len(p)
	}
	k := append(make([]byte, 0, size), parts[0]...)
	for _, p := range parts[1:] {
		k = append(append(k, 0), p...)
	}
	return k
}

// RowRange covers every row: from <= key < to.
func RowRange() (from, to []byte) { return []byte(rowPrefix + "\x00"), []byte(rowPrefix + "\x01") }

// VaultRange covers every vault item.
func VaultRange() (from, to []byte) {
	return []byte(vaultPrefix + "\x00"), []byte(vaultPrefix + "\x01")
}

// RebuildMark is the key that stands while the rows are being folded again: rows beside it are incomplete.
func RebuildMark() []byte { return key(markPrefix, "rebuild") }

// RestoreMark is the key that stands while a backup is being put back: what is beside it is not whole.
func RestoreMark() []byte { return key(markPrefix, "restore") }

// EventsMark is the mark of the last event that was published for other systems.
func EventsMark() []byte { return key(markPrefix, "events") }

// RetentionMark is the mark of the time that retention goes by.
func RetentionMark() []byte { return key(markPrefix, "retention") }

// EngineKey is the row of the engine's id and epoch.
func EngineKey() []byte { return key(rowPrefix, "engine") }

// WebhookKey is the row of a webhook.
func WebhookKey(company, webhook string) []byte { return key(rowPrefix, "webhook", company, webhook) }

// WebhookRange covers a company's webhooks, oldest first.
func WebhookRange(company string) (from, to []byte) { return under(rowPrefix, "webhook", company) }

// WebhooksRange covers the webhooks of all companies, company by company.
func WebhooksRange() (from, to []byte) { return under(rowPrefix, "webhook") }

// ResourceRowKey is the row of a resource: which version is in force.
func ResourceRowKey(company, kind, id string) []byte {
	return key(rowPrefix, "resource", company, kind, id)
}

// ResourceRowRange covers a company's resources of one type, oldest first.
func ResourceRowRange(company, kind string) (from, to []byte) {
	return under(rowPrefix, "resource", company, kind)
}

// CallKey is the row of a call. Ids grow with time, so key order is the order of the history.
func CallKey(company, call string) []byte { return key(rowPrefix, "call", company, call) }

// CallRange covers a company's calls, oldest first.
func CallRange(company string) (from, to []byte) { return under(rowPrefix, "call", company) }

// UnmatchedKey is the row of a message that no webhook asked for.
func UnmatchedKey(company, message string) []byte {
	return key(rowPrefix, "unmatched", company, message)
}

// UnmatchedRange covers a company's messages that no webhook asked for, oldest first; without a company, those of all, company by company.
func UnmatchedRange(company string) (from, to []byte) { return underCompany("unmatched", company) }

// UndeliveredKey is the row of a call that ended without success and was not retried since.
func UndeliveredKey(company, call string) []byte {
	return key(rowPrefix, "undelivered", company, call)
}

// UndeliveredRange covers a company's calls that ended without success and were not retried since, oldest first; without a company, those of
// all, company by company.
func UndeliveredRange(company string) (from, to []byte) { return underCompany("undelivered", company) }

// ErasedKey is the row that says that a message's content was erased.
func ErasedKey(company, message string) []byte { return key(rowPrefix, "erased", company, message) }

// ErasedBehind covers that row of a message, and of the company's messages with greater ids.
func ErasedBehind(company, message string) (from, to []byte) {
	_, to = under(rowPrefix, "erased", company)
	return ErasedKey(company, message), to
}

// ChangeKey is the row that names one change of a webhook: event seq.
func ChangeKey(company, webhook string, seq uint64) []byte {
	return key(rowPrefix, "change", company, webhook, leftPad(strconv.FormatUint(seq, 16), 16))
}

// ChangeRange covers the changes of a webhook, oldest first.
func ChangeRange(company, webhook string) (from, to []byte) {
	return under(rowPrefix, "change", company, webhook)
}

// IdempotencyKey is the row of a used idempotency key.
func IdempotencyKey(company, route, k string) []byte {
	return key(rowPrefix, "idempotency", company, route, k)
}

// IdempotencyRange covers all used idempotency keys.
func IdempotencyRange() (from, to []byte) { return under(rowPrefix, "idempotency") }

// APIKeyKey is the row of an API key.
func APIKeyKey(id string) []byte { return key(rowPrefix, "apikey", id) }

// APIKeyRange covers the API keys, oldest first, revoked ones too.
func APIKeyRange() (from, to []byte) { return under(rowPrefix, "apikey") }

// JobKey is the row of a job that is not finished; names grow with the event that began it.
func JobKey(job string) []byte { return key(rowPrefix, "job", job) }

// JobRange covers the unfinished jobs, oldest first.
func JobRange() (from, to []byte) { return under(rowPrefix, "job") }

// JobName names the part-th job begun by event seq.
func JobName(seq uint64, part int) string {
	return leftPad(strconv.FormatUint(seq, 16), 16) + "-" + leftPad(strconv.Itoa(part), 6)
}

func leftPad(s string, width int) string { return strings.Repeat("0", max(0, width-len(s))) + s }

// SecretKey is the vault item of a webhook's sealed secret.
func SecretKey(webhook string) []byte { return key(vaultPrefix, "secret", webhook) }

// RotatedSecretKey is the vault item of a sealed secret that a rotation brought.
func RotatedSecretKey(webhook, digest string) []byte {
	return key(vaultPrefix, "secret", webhook, digest)
}

// HeadersKey is the vault item of a webhook's sealed headers, as one event set them.
func HeadersKey(webhook, digest string) []byte { return key(vaultPrefix, "headers", webhook, digest) }

// A Range covers keys: From <= key < To.
type Range struct{ From, To []byte }

// SealedRanges cover all vault items of webhooks' sealed secrets and headers.
func SealedRanges() []Range {
	secretsFrom, secretsTo := under(vaultPrefix, "secret")
	headersFrom, headersTo := under(vaultPrefix, "headers")
	return []Range{{secretsFrom, secretsTo}, {headersFrom, headersTo}}
}

// ResourceKey is the vault item of one version of a resource, as it stands in a body.
func ResourceKey(ref ResourceRef) []byte {
	return key(vaultPrefix, "resource", ref.Type, ref.ID, strconv.Itoa(ref.Version))
}

// DataKey is the vault item of a message's inline data.
func DataKey(message string) []byte { return key(vaultPrefix, "data", message) }

// ResponseKey is the vault item of the response to one attempt, made under one lease.
func ResponseKey(call string, attempt, lease int, epoch uint64) []byte {
	return key(vaultPrefix, "response", call, strconv.Itoa(attempt), strconv.Itoa(lease), strconv.FormatUint(epoch, 10))
}

// underCompany covers rows that are keyed by company first; an empty name stands for all companies.
func underCompany(rows, company string) (from, to []byte) {
	if company == "" {
		return under(rowPrefix, rows)
	}
	return under(rowPrefix, rows, company)
}

func under(parts ...string) (from, to []byte) {
	from = append(key(parts...), 0)
	to = append(key(parts...), 1)
	return from, to
}

// KeyMark is the mark that opens only under the engine's key.
func KeyMark() []byte { return key(markPrefix, "key") }
