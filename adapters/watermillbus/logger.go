package watermillbus

import (
	"log/slog"

	"github.com/ThreeDotsLabs/watermill"
)

// A quiet logger is Watermill's over slog, without the trace lines: the Router writes two for each message, and preparing them
// is 6 of 54 allocations an envelope, whether anyone reads them or not.
type quiet struct{ watermill.LoggerAdapter }

// routerLogger makes debug lines of the Router's info lines, which tell about its own steps and not about Posthorn's.
func routerLogger(l *slog.Logger) watermill.LoggerAdapter {
	return quiet{watermill.NewSlogLoggerWithLevelMapping(l, map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug})}
}

// Trace drops the line.
func (quiet) Trace(string, watermill.LogFields) {}

// With implements [watermill.LoggerAdapter].
func (q quiet) With(fields watermill.LogFields) watermill.LoggerAdapter {
	return quiet{q.LoggerAdapter.With(fields)}
}
