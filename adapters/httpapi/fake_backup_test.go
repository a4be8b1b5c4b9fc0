package httpapi_test

import (
	"context"
	"fmt"
	"io"

	"posthorn/engine/backup"
)

// The memory holds nothing that could be put back, and what it writes is no backup; TestBackup asks a real engine.

func (m *memory) Backup(_ context.Context, to io.Writer, since *backup.Outline) (backup.Summary, error) {
	defer m.mu.Unlock()
	if err := m.begin("back up"); err != nil {
		return backup.Summary{}, err
	}
	_, err := fmt.Fprintf(to, "since %v", since != nil)
	return backup.Summary{}, err
}
