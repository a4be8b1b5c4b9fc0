package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"posthorn/ports"
)

// The exit codes. Those above 2 are of sysexits.h.
const (
	exitOK          = 0
	exitFailed      = 1  // the check or the run failed, or the engine refused
	exitUsage       = 2  // the command line or the configuration is wrong
	exitUnreachable = 69 // EX_UNAVAILABLE: no engine answers
	exitCannotMake  = 73 // EX_CANTCREAT: the data directory is held, cannot be written, or does not open
	exitIO          = 74 // EX_IOERR: an address cannot be listened on, or the store failed while it ran
)

// An exitError is an error with the code that the process ends with.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exitWith gives an error its code; nil stays nil, and a code that is there already stays.
func exitWith(code int, err error) error {
	if _, coded := errors.AsType[*exitError](err); err == nil || coded {
		return err
	}
	return &exitError{code, err}
}

// usageError says that the command line or the configuration is wrong, and where help is.
func usageError(err error) error {
	if coded, ok := errors.AsType[*exitError](err); ok {
		return coded // without what kong says around it
	}
	return exitWith(exitUsage, fmt.Errorf("the command line is refused: %w; see posthorn --help", err))
}

func refuse(format string, args ...any) error {
	return exitWith(exitUsage, fmt.Errorf(format, args...))
}

// report prints an error in one line and returns the exit code. That a person pressed Ctrl-C is no error.
func (p *program) report(err error) int {
	if err == nil {
		return exitOK
	}
	if errors.Is(err, syscall.EPIPE) {
		return exitFailed // who reads us has gone, as head does, and needs no word of it
	}
	code := exitFailed
	if coded, ok := errors.AsType[*exitError](err); ok {
		code = coded.code
	} else if errors.Is(err, context.Canceled) && p.ctx.Err() != nil {
		return exitOK
	}
	_, _ = fmt.Fprintf(p.stderr, "posthorn: %s\n", oneLine(err.Error())) // there is nobody else to tell
	return code
}

// openCode is the exit code for a data directory that does not open.
func openCode(err error) int {
	var path *fs.PathError
	var errno syscall.Errno
	switch {
	case errors.Is(err, ports.ErrDamaged), errors.Is(err, ports.ErrDiskLow):
		return exitIO
	case errors.Is(err, ports.ErrLocked), errors.As(err, &path), errors.As(err, &errno):
		return exitCannotMake
	default:
		return exitFailed
	}
}
