package engine

import (
	"context"

	"posthorn/engine/core"
	"posthorn/ports"
)

// verifySealed checks that the store's vault has the secrets and headers that webhooks have by rows, which the log gave, and no others: what a
// rotation has put others in place of must be gone.
func verifySealed(ctx context.Context, rows, store ports.Store, report *VerifyReport) error {
	return rows.View(ctx, func(folded ports.Reader) error {
		return store.View(ctx, func(vault ports.Reader) error {
			named, err := verifyNamed(ctx, folded, vault, report)
			if err != nil {
				return err
			}
			return verifyStray(ctx, vault, named, report)
		})
	})
}

// verifyNamed checks the items that webhooks name, and counts them.
func verifyNamed(ctx context.Context, folded, vault ports.Reader, report *VerifyReport) (named uint64, err error) {
	from, to := core.WebhooksRange()
	for pair, err := range folded.Scan(from, to, false) {
		if err != nil {
			return named, err
		}
		w, sealed, _, err := core.ParseWebhook(pair)
		if err != nil {
			return named, err
		}
		for _, item := range sealed.All() {
			named++
			if _, err := readVault(vault, item.Key, item.Digest); err != nil {
				report.problem("webhook %s: what is sealed of it cannot be read: %v", w.ID, err)
			}
		}
		if err := ctx.Err(); err != nil {
			return named, err
		}
	}
	report.VaultItems += named
	return named, nil
}

// verifyStray compares how many there are: each that is named was looked at.
func verifyStray(ctx context.Context, vault ports.Reader, named uint64, report *VerifyReport) error {
	var found uint64
	for _, items := range core.SealedRanges() {
		for _, err := range vault.Scan(items.From, items.To, false) {
			if err != nil {
				return err
			}
			found++
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if found > named && report.OK() {
		report.problem("the vault holds %d sealed secrets and headers that no webhook has", found-named)
	}
	return nil
}
