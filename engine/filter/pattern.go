package filter

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// maxPattern is how large a pattern may be, in instructions of the machine that runs it: x{100} has 100, and a letter one.
const maxPattern = 128

// A pattern is a regular expression with its size. The time of a match grows with size and length, and with nothing else (RE2).
type pattern struct {
	re   *regexp.Regexp
	size int
}

// checkPattern says why the pattern of a call of matches is refused, or nil.
func checkPattern(call ast.CallExpr) error {
	last := call.Args()[len(call.Args())-1]
	if last.Kind() != ast.LiteralKind {
		return errors.New("the pattern of matches is a text as it stands, not computed")
	}
	_, err := newPattern(text(last.AsLiteral()))
	return err
}

func newPattern(source string) (pattern, error) {
	parsed, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return pattern{}, fmt.Errorf("the pattern is no regular expression: %w", err)
	}
	size := instructions(parsed)
	if size > maxPattern {
		return pattern{}, fmt.Errorf("the pattern is too large: %d instructions, at most %d", size, maxPattern)
	}
	re, err := regexp.Compile(source)
	if err != nil {
		return pattern{}, fmt.Errorf("the pattern is no regular expression: %w", err)
	}
	return pattern{re, size}, nil
}

// instructions estimates the size of a pattern before it is compiled: 400 letters can mean a million instructions. A class
// counts by its ranges, of which a class of Unicode has hundreds.
func instructions(re *syntax.Regexp) int {
	n := 2         // a bracket has two, others one
	switch re.Op { //nolint:exhaustive // the others have nothing but parts
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpCharClass:
		n += len(re.Rune) / 2
	}
	times := 1
	if re.Op == syntax.OpRepeat {
		times = max(re.Min, re.Max, 1)
	}
	for _, sub := range re.Sub {
		n += instructions(sub) * times
	}
	if re.Min < re.Max { // x{2,5} asks before each of the last three
		n += times
	}
	return min(n, 1<<20) // 1,000 repetitions of 1,000 repetitions, and no overflow
}

// learn compiles the pattern of a call while the program is planned.
func (p plan) learn(arg interpreter.InterpretableV2) error {
	constant, ok := arg.(interpreter.InterpretableConst)
	if !ok {
		return errors.New("the pattern of matches is not a constant")
	}
	source := text(constant.Value())
	learnt, err := newPattern(source)
	p.patterns[source] = learnt
	return err
}

// match charges before it looks: at worst each instruction of the pattern runs over each byte.
func (p plan) match(e *evaluation, args []ref.Val) ref.Val {
	subject, ok := args[0].(types.String)
	if !ok {
		return wrongType()
	}
	known := p.patterns[text(args[1])]
	e.charge(len(subject) * known.size / matchSteps)
	return types.Bool(known.re.MatchString(string(subject)))
}

// text is a value's text, "" of what is none.
func text(v ref.Val) string {
	s, _ := v.(types.String)
	return string(s)
}
