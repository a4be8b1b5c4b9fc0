package filter

import (
	"errors"
	"fmt"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
)

const (
	maxText  = 1024 // bytes of a filter
	maxDepth = 32   // levels of its syntax; 64 would let a chain of macros take 20 ms and 12 MB of the type checker
)

// Check says whether a webhook may be saved with this filter: it is CEL, it yields a bool, and it uses nothing that is left
// out of the language here (see docs/filters.md). The error is for the user: it names the place and what is wrong there, and
// repeats at most 120 characters. Safe for concurrent use; takes below 10 ms for the worst text.
func Check(text string) error {
	_, err := compile(text)
	return err
}

// compile makes a filter's program.
func compile(text string) (cel.Program, error) {
	if len(text) > maxText {
		const why = "a filter has at most %d; compare fewer things, or let the publisher say them in the event type"
		return nil, fmt.Errorf("filter of %d bytes refused: "+why, len(text), maxText)
	}
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("make the environment of filters: %w", err)
	}
	checked, issues := env.CompileSource(unquoted{common.NewTextSource(text)})
	if found := issues.Errors(); len(found) > 0 {
		return nil, refusal(text, found[0].Location.Line(), found[0].Location.Column(), found[0].Message)
	}
	if got := checked.OutputType(); !got.IsExactType(cel.BoolType) && !got.IsExactType(cel.DynType) {
		return nil, refusal(text, 1, 0, "it yields "+got.String()+", not a bool")
	}
	program, err := env.Program(checked, programOptions()...)
	if err != nil {
		return nil, refusal(text, 1, 0, err.Error())
	}
	return program, nil
}

// An unquoted source is one that the compiler does not quote in its own report, which nobody reads here: it would repeat the line for each
// error, with an arrow below that is drawn by copying it anew for each column, megabytes for a text of a kilobyte.
type unquoted struct{ cel.Source }

// Snippet implements [cel.Source].
func (unquoted) Snippet(int) (string, bool) { return "", false }

// refusal is the error of a filter that does not compile. Column counts from 0, as the compiler's do; both are -1 for what
// is wrong with the whole.
func refusal(text string, line, column int, why string) error {
	return fmt.Errorf("filter %q refused: at line %d, column %d: %s; see docs/filters.md for what a filter may say",
		cut(text), max(line, 1), max(column, 0)+1, cut(why))
}

// environment is the language of filters: made once, safe for concurrent use.
//
//nolint:gochecknoglobals // a constant that takes a millisecond to make
var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewCustomEnv(
		cel.StdLib(cel.StdLibSubset(subset())),
		cel.Variable("eventType", cel.StringType),
		cel.Variable("data", cel.DynType),
		cel.Variable("resource", cel.DynType),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.EnableHiddenAccumulatorName(true),
		cel.ParserExpressionSizeLimit(maxText),
		cel.ParserRecursionLimit(maxDepth),
		cel.ParserErrorRecoveryLimit(0),
		cel.ASTValidators(kept{}, cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals()),
	)
})

// kept refuses what the subset of functions cannot: whose cost the tracker does not see, and what a filter does not need.
type kept struct{}

// Name implements [cel.ASTValidator].
func (kept) Name() string { return "posthorn.filter" }

// Validate implements [cel.ASTValidator].
func (kept) Validate(_ *cel.Env, _ cel.ValidatorConfig, checked *ast.AST, issues *cel.Issues) {
	ast.PreOrderVisit(checked.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if why := refused(e); why != nil {
			issues.ReportErrorAtID(e.ID(), "%s", why.Error())
		}
	}))
}

// refused says why an expression may not stand in a filter, or nil.
func refused(e ast.Expr) error {
	switch e.Kind() {
	case ast.MapKind, ast.StructKind: // a long key is hashed at no cost
		return errors.New("a filter makes no maps or messages")
	case ast.CallKind:
		call := e.AsCall()
		switch call.FunctionName() {
		case operators.Index: // so is a long index
			if call.Args()[1].Kind() != ast.LiteralKind {
				return errors.New("an index is a number or a text as it stands, not computed")
			}
		case overloads.Matches: // compiled once, its size is known
			return checkPattern(call)
		}
	default: // a variable, a field, a number or text, a list, a macro
	}
	return nil
}
