// Package outbox tells what an application has committed to its own database.
package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"posthorn"
)

// Schema is the table beside the application's own. An id is never used again, for the idempotency key is made of it.
const Schema = `CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT,
	company TEXT NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL, sent BOOLEAN NOT NULL DEFAULT FALSE)`

// A Publisher is a *posthorn.Posthorn.
type Publisher interface {
	Publish(ctx context.Context, m posthorn.NewMessage) (posthorn.Message, error)
}

// Tell notes what is to be told, in the transaction in which it happens: both are committed, or neither.
func Tell(ctx context.Context, tx *sql.Tx, company, eventType, data string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO outbox (company, type, data) VALUES (?, ?, ?)`, company, eventType, data)
	return err
}

// Relay publishes what is not sent yet, oldest first. It may die between its two writes: the next one publishes that row again,
// under the same key, and gets the message that is there already. Call it after a commit, and every few seconds.
func Relay(ctx context.Context, db *sql.DB, ph Publisher) error {
	for {
		var id int64
		var company, eventType, data string
		row := db.QueryRowContext(ctx, `SELECT id, company, type, data FROM outbox WHERE NOT sent ORDER BY id LIMIT 1`)
		if err := row.Scan(&id, &company, &eventType, &data); errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		_, err := ph.Publish(ctx, posthorn.NewMessage{
			Company: company, EventType: eventType, Data: []byte(data), IdempotencyKey: fmt.Sprintf("outbox-%d", id),
		})
		if err != nil {
			return fmt.Errorf("publish row %d: %w", id, err) // it is tried again: only a row that is refused as invalid stays in the way
		}
		if _, err := db.ExecContext(ctx, `UPDATE outbox SET sent = TRUE WHERE id = ?`, id); err != nil {
			return err
		}
	}
}
