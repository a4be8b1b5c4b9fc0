package core

// foldWebhook applies what changes a webhook's row.
func (s *State) foldWebhook(r Recorded) error {
	at := StampOf(r.At)
	switch e := r.Event.(type) {
	case WebhookRegistered:
		return s.changeWebhook(r, e.Company, e.Webhook, func(row *webhookRow) {
			*row = webhookRow{SecretDigest: e.SecretDigest, Webhook: Webhook{
				ID: e.Webhook, Company: e.Company, Settings: e.Settings, Enabled: true, Seed: e.Seed, CreatedAt: r.At,
			}}
		})
	case WebhookUpdated:
		return s.changeWebhook(r, e.Company, e.Webhook, func(row *webhookRow) { row.Settings = e.Settings })
	case WebhookHeadersSet:
		return s.changeWebhook(r, e.Company, e.Webhook, func(row *webhookRow) { row.Headers, row.HeadersDigest = e.Headers, e.Digest })
	case WebhookSecretRotated:
		return s.changeWebhook(r, e.Company, e.Webhook, func(row *webhookRow) { row.rotate(at, e) })
	case WebhookPaused:
		return s.changeWebhook(r, e.Company, e.Webhook, func(row *webhookRow) { row.Paused = true })
	case WebhookResumed:
		return s.changeWebhook(r, e.Company, e.Webhook, func(row *webhookRow) { row.Paused = false })
	case BreakerOpened:
		return set(s, WebhookKey(e.Company, e.Webhook), func(row *webhookRow) {
			since := at
			if row.Breaker != nil {
				since = row.Breaker.Since
			}
			row.Breaker = &Breaker{Reason: e.Reason, Since: since, Until: e.Until}
		})
	case BreakerClosed:
		return set(s, WebhookKey(e.Company, e.Webhook), func(row *webhookRow) { row.Breaker = nil })
	case WebhookEnabled:
		return s.changeWebhook(r, e.Company, e.Webhook, func(row *webhookRow) { row.Enabled, row.DisabledReason = true, "" })
	case WebhookDisabled:
		if err := s.changeWebhook(r, e.Company, e.Webhook, func(row *webhookRow) {
			row.Enabled, row.DisabledReason = false, e.Reason
			row.Breaker, row.Failing, row.NotedBy = nil, nil, r.Seq // enabled again, it begins anew
		}); err != nil {
			return err
		}
		return s.beginCancelJob(r.Seq, e.Company, e.Webhook, WebhookIsOff)
	case WebhookDeleted:
		if err := s.changeWebhook(r, e.Company, e.Webhook, func(row *webhookRow) { row.Deleted, row.Enabled = true, false }); err != nil {
			return err
		}
		return s.beginCancelJob(r.Seq, e.Company, e.Webhook, WebhookIsDeleted)
	}
	return nil
}

// changeWebhook changes what somebody has asked for, which is what UpdatedAt tells of, and names the event for the webhook's timeline.
func (s *State) changeWebhook(r Recorded, company, id string, update func(*webhookRow)) error {
	s.mark(Change{company, id, r.Seq})
	return set(s, WebhookKey(company, id), func(row *webhookRow) {
		update(row)
		row.UpdatedAt = r.At
	})
}
