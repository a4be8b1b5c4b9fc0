package filter

import (
	"regexp/syntax"
	"testing"
)

// TestInstructions: the estimate is no less than what the pattern compiles to, but for the three that any program has.
func TestInstructions(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		"", "a", "abc", "a|b|cd", "x{100}", "x{2,5}", "x{2,}", "x{0,100}", "(ab){3}", "((ab){3,7}){4}", "[a-z]+", "(?i)abc", "^a.*b$", `\d+-\w{3}`, "(a?){30}a{30}b", "(a|b)*c+?",
		`(\w+\.)*\w+@\w+`, "()*", "(()*){10}", "(a*)*",
	} {
		parsed, err := syntax.Parse(source, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		estimate := instructions(parsed)
		program, err := syntax.Compile(parsed.Simplify())
		if err != nil {
			t.Fatal(err)
		}
		if got := len(program.Inst) - 3; got > estimate {
			t.Errorf("%q has %d instructions, the estimate is %d", source, got, estimate)
		}
	}
}
