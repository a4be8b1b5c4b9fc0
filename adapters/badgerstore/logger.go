package badgerstore

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/dgraph-io/badger/v4"
)

// logger hands Badger's messages on. Its errors are warnings here: what matters of them comes back as an error value.
type logger struct{ to *slog.Logger }

var _ badger.Logger = logger{}

// Errorf warns.
func (l logger) Errorf(format string, args ...any) { l.to.Warn(text(format, args)) }

// Warningf warns.
func (l logger) Warningf(format string, args ...any) { l.to.Warn(text(format, args)) }

// Infof is for debugging.
func (l logger) Infof(format string, args ...any) { l.to.Debug(text(format, args)) }

// Debugf drops: Badger has several for each commit, with keys in them.
func (l logger) Debugf(string, ...any) {}

func text(format string, args []any) string {
	return "badger: " + strings.TrimSpace(fmt.Sprintf(format, args...))
}
