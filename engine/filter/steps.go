package filter

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// A plan puts our steps in the place of CEL's while one program is planned, so that each is charged for. Constants are left
// alone, for they do nothing, and lists, for the optimizer makes constants of some and the elements of others are steps.
type plan struct {
	patterns map[string]pattern // written while the program is planned, only read after
}

func programOptions() []cel.ProgramOption {
	p := plan{patterns: map[string]pattern{}}
	return []cel.ProgramOption{cel.CustomDecoratorV2(p.step), cel.EvalOptions(cel.OptOptimize)}
}

func (p plan) step(node interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	switch node := node.(type) {
	case interpreter.InterpretableConst, interpreter.InterpretableConstructor, read, call, boundedCall, loop:
		return node, nil
	case interpreter.InterpretableAttribute:
		return read{node}, nil
	case interpreter.InterpretableCall:
		bounded, err := p.bounded(node)
		if bounded == nil || err != nil {
			return call{node}, err
		}
		return boundedCall{node, bounded}, nil
	default:
		return loop{node}, nil
	}
}

// bounded is what is done instead of a call whose work does not follow from the texts it is given, or nil.
func (p plan) bounded(call interpreter.InterpretableCall) (func(*evaluation, []ref.Val) ref.Val, error) {
	switch call.Function() {
	case operators.Equals:
		return equals, nil
	case operators.NotEquals:
		return differs, nil
	case operators.In:
		return in, nil
	case operators.Add:
		return add, nil
	case overloads.Matches:
		return p.match, p.learn(call.Args()[1])
	default:
		return nil, nil
	}
}

// A read is a step that reads a variable, and fields of it.
type read struct {
	interpreter.InterpretableAttribute
}

// Exec implements [interpreter.InterpretableV2].
func (r read) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	return running(frame).yields(r.InterpretableAttribute.Exec(frame))
}

// Eval implements [interpreter.Interpretable].
func (r read) Eval(vars interpreter.Activation) ref.Val { return r.Exec(interpreter.AsFrame(vars)) }

// A call is a step whose work follows from the texts that it is given: they were charged for when they were yielded.
type call struct{ interpreter.InterpretableCall }

// Exec implements [interpreter.InterpretableV2].
func (c call) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	return running(frame).yields(c.InterpretableCall.Exec(frame))
}

// Eval implements [interpreter.Interpretable].
func (c call) Eval(vars interpreter.Activation) ref.Val { return c.Exec(interpreter.AsFrame(vars)) }

// A loop is what a macro makes, or a chain of and or or: it takes other steps, and is charged for them beside its own three,
// which setting up a loop takes.
type loop struct{ interpreter.InterpretableV2 }

// Exec implements [interpreter.InterpretableV2].
func (l loop) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	running(frame).charge(3)
	return l.InterpretableV2.Exec(frame)
}

// Eval implements [interpreter.Interpretable].
func (l loop) Eval(vars interpreter.Activation) ref.Val { return l.Exec(interpreter.AsFrame(vars)) }

// A boundedCall does its work by itself, and charges for it as it goes.
type boundedCall struct {
	interpreter.InterpretableCall
	do func(*evaluation, []ref.Val) ref.Val
}

// Exec implements [interpreter.InterpretableV2].
func (c boundedCall) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	var args [2]ref.Val
	for i, arg := range c.Args() {
		if args[i] = arg.Exec(frame); types.IsUnknownOrError(args[i]) {
			return args[i]
		}
	}
	e := running(frame)
	return e.yields(types.LabelErrNode(c.ID(), c.do(e, args[:])))
}

// Eval implements [interpreter.Interpretable].
func (c boundedCall) Eval(vars interpreter.Activation) ref.Val {
	return c.Exec(interpreter.AsFrame(vars))
}

// Function and OverloadID hide what the call is from the optimizer, which would put its own in its place: a match without
// bounds, and a look into a set, which hashes a text of any length at no cost.
func (boundedCall) Function() string { return "" }

// OverloadID hides it too.
func (boundedCall) OverloadID() string { return "" }
