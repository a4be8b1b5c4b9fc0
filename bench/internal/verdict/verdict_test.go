package verdict_test

import (
	"fmt"
	"strings"
	"testing"

	"posthorn/bench/internal/verdict"
)

func TestReport(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verdicts []verdict.Verdict
		want     string
		printed  string
	}{
		{nil, "<nil>", ""},
		{[]verdict.Verdict{{verdict.Pass, "a"}, {verdict.Pass, "b"}}, "<nil>", "PASS  a\nPASS  b\n"},
		{[]verdict.Verdict{{verdict.Pass, "a"}, {verdict.Fail, "b"}}, "FAIL: 1 of 2 judgements", "PASS  a\nFAIL  b\n"},
		{[]verdict.Verdict{{verdict.Void, "a"}, {verdict.Fail, "b"}, {verdict.Pass, "c"}}, "VOID: 1 of 3 judgements (1 FAIL)", "VOID  a\nFAIL  b\nPASS  c\n"},
	} {
		var out strings.Builder
		if err := verdict.Report(&out, c.verdicts); !strings.HasPrefix(fmt.Sprint(err), c.want) || out.String() != c.printed {
			t.Errorf("%v: %v, printed\n%s", c.verdicts, err, &out)
		}
	}
}
