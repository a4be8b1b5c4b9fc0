package filter

import (
	"github.com/google/cel-go/common/env"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
)

// subset is the part of CEL's standard library that filters have, with all its macros (has, all, exists, exists_one, map,
// filter). It is a list of what is kept, so that a new version of the library adds nothing by itself. Left out are the parts of
// a date (with a time zone they read the machine's zone files), bytes(), and all extension libraries.
func subset() *env.LibrarySubset {
	kept := env.NewLibrarySubset()
	for _, name := range []string{
		operators.Conditional, operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.NotStrictlyFalse,
		operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
		operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo, operators.Negate,
		operators.Index, operators.In, overloads.Size,
		overloads.Contains, overloads.StartsWith, overloads.EndsWith, overloads.Matches,
		overloads.TypeConvertBool, overloads.TypeConvertInt, overloads.TypeConvertUint, overloads.TypeConvertDouble,
		overloads.TypeConvertString, overloads.TypeConvertTimestamp, overloads.TypeConvertDuration,
		overloads.TypeConvertType, overloads.TypeConvertDyn,
	} {
		kept.AddIncludedFunctions(env.NewFunction(name))
	}
	return kept
}
