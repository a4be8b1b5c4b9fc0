package ports

import "errors"

// Sentinels. Adapters translate their own errors to these at the edge and wrap them with what they were doing; callers
// match with errors.Is. Whatever is not one of these is a fault that the caller can only report.
var (
	// ErrNotFound says that what was asked for does not exist, or has been deleted.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that the state of what exists forbids the command.
	ErrConflict = errors.New("conflict")
	// ErrOverloaded says that too much waits already; nothing was stored, and the same command may be sent again.
	ErrOverloaded = errors.New("overloaded")
	// ErrClosed says that the engine, store or bus is stopping or has stopped; nothing was stored.
	ErrClosed = errors.New("closed")
	// ErrLocked says that another process holds the data directory; the error's text names it where it is known.
	ErrLocked = errors.New("locked")
	// ErrDiskLow says that free disk space is below the floor; nothing was stored, and reads go on.
	ErrDiskLow = errors.New("disk low")
	// ErrTooLarge says that a command alone is over the store's or the API's limit; nothing was stored.
	ErrTooLarge = errors.New("too large")
	// ErrDamaged says that stored bytes are not what was written: the directory needs a backup or a rebuild.
	ErrDamaged = errors.New("damaged")
	// ErrOutOfOrder says that a commit does not begin right after the last stored event; nothing was stored.
	ErrOutOfOrder = errors.New("out of order")
	// ErrUnknownOutcome says that a commit failed in a way that leaves open whether it is on disk. Repeat the command
	// with the same idempotency key after the engine has been restarted.
	ErrUnknownOutcome = errors.New("outcome unknown")
)
