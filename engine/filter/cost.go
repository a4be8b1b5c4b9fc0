package filter

import (
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

const (
	// Limit is what one filter may cost for one message. A step (a field, a call) costs one, and one more for each 64 bytes of
	// the text that it yields; and, or and a macro three; == and in one for each element that they look at; matches one for each
	// 16 instructions of its pattern, each over one byte. So `data.amount > 5` costs 2, and exists over one field gets to about
	// 800 elements of a list.
	//
	// The worst filters known end after 0.9 to 1.6 ms and 0.8 MB, on a 2-core server with other work beside it; most of them
	// after less than 0.6 ms (BenchmarkHostile, which runs all of hostile_test.go that Check accepts).
	Limit = 10_000
	// Budget is what all filters may cost for one message.
	Budget = 100 * Limit

	stride     = 64 // bytes of a text that cost as much as a step
	matchSteps = 16 // instructions of a pattern, each over one byte, that cost as much as a step
)

// An evaluation is one filter at one message: the variables, and what may still be spent.
//
// It counts for itself, and not by cel.CostLimit. That charges nothing for an element which the macro filter drops, one for
// texts joined whatever their length where their type is not known before, and only after the call; and its stack grows with
// each element of a loop, so that a filter of cost 5 took half a second over 30,000.
type evaluation struct {
	*Event
	left int
}

// theEvaluation is a variable that no filter can name.
const theEvaluation = "@evaluation"

// ResolveName implements [interpreter.Activation].
func (e *evaluation) ResolveName(name string) (any, bool) {
	if name == theEvaluation {
		return e, true
	}
	return e.Event.ResolveName(name)
}

// running is the evaluation that a step is of; nil while the program is planned, when constants are folded.
func running(vars interpreter.Activation) *evaluation {
	v, _ := vars.ResolveName(theEvaluation)
	e, _ := v.(*evaluation)
	return e
}

// charge ends the evaluation when it has cost too much, as CEL's own limit does: Program.Eval makes an error of the panic.
func (e *evaluation) charge(cost int) {
	if e == nil {
		return
	}
	if e.left -= cost; e.left < 0 {
		e.left = 0
		panic(interpreter.EvalCancelledError{Cause: interpreter.CostLimitExceeded, Message: ErrCost.Error()})
	}
}

// yields charges for a step by what it yields.
func (e *evaluation) yields(v ref.Val) ref.Val {
	e.charge(1 + strides(v))
	return v
}

// strides is what it costs to read a text.
func strides(v ref.Val) int {
	switch v := v.(type) {
	case types.String:
		return len(v) / stride
	case types.Bytes:
		return len(v) / stride
	default:
		return 0
	}
}
