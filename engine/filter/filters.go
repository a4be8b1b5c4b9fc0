package filter

import (
	"errors"
	"fmt"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// maxKept is how many compiled filters are kept at most: 7 MB of usual ones, 48 MB of the longest.
const maxKept = 1024

// Filters judges messages by filters, and keeps those used last compiled. Make it with [New]. Safe for concurrent use.
type Filters struct {
	mu sync.Mutex
	// Two generations: what is used comes into the young one; when that holds half of maxKept, it becomes the old one, and what
	// nobody has used since the last time is forgotten.
	young, old map[string]cel.Program
}

// New makes an empty cache of filters.
func New() *Filters { return &Filters{young: map[string]cel.Program{}} }

// Match says whether the filter lets the message pass. No filter, "", lets all pass. The error is [ErrCost] or [ErrFilter],
// wrapped with a text that names at most a place in the filter, and nothing of the message.
func (f *Filters) Match(text string, event *Event) (bool, error) {
	if text == "" {
		return true, nil
	}
	program, err := f.program(text)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrFilter, err)
	}
	out, err := event.evaluate(program)
	if err != nil {
		return false, err
	}
	pass, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("%w: it yields something else than a bool", ErrFilter)
	}
	return bool(pass), nil
}

// evaluate runs a program, and books what it has cost.
func (e *Event) evaluate(program cel.Program) (ref.Val, error) {
	one := evaluation{Event: e, left: max(0, min(Limit, Budget-e.Spent()))}
	begun := one.left
	out, _, err := program.Eval(&one)
	e.spent.Add(int64(begun - one.left))
	if err != nil {
		return nil, failure(err)
	}
	return out, nil
}

// failure tells why an evaluation has no answer, without what CEL says of it: its texts may quote values.
func failure(err error) error {
	if errors.As(err, new(interpreter.EvalCancelledError)) {
		return fmt.Errorf("%w: a filter may cost %d for one message, and all of them %d together", ErrCost, Limit, Budget)
	}
	return fmt.Errorf("%w: a field that it reads is missing, or of another type", ErrFilter)
}

// program is the filter's, compiled now if it is not kept.
func (f *Filters) program(text string) (cel.Program, error) {
	if program, ok := f.kept(text); ok {
		return program, nil
	}
	program, err := compile(text) // not under the lock; two may do it at once, for the same result
	if err != nil {
		return nil, err
	}
	f.keep(text, program)
	return program, nil
}

func (f *Filters) kept(text string) (cel.Program, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if program, ok := f.young[text]; ok {
		return program, true
	}
	program, ok := f.old[text]
	if ok {
		f.add(text, program)
	}
	return program, ok
}

func (f *Filters) keep(text string, program cel.Program) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.add(text, program)
}

func (f *Filters) add(text string, program cel.Program) {
	if len(f.young) >= maxKept/2 {
		f.young, f.old = map[string]cel.Program{}, f.young
	}
	f.young[text] = program
}
