package engine_test

import (
	"errors"
	"testing"
)

var errCrash = errors.New("crash injected by the test")

var _ = (*testing.T)(nil)
