package filter_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"posthorn/engine/filter"
)

const (
	maxAllocated = 4 << 20 // bytes that one evaluation may allocate: some 200 for each step of filter.Limit
	maxCompiled  = 8 << 20 // bytes that Check may allocate
)

// nest puts inner into n levels of before and after.
func nest(n int, before, inner, after string) string {
	return strings.Repeat(before, n) + inner + strings.Repeat(after, n)
}

// hostileData is what the hostile filters look at: the largest body that is accepted holds about as much.
func hostileData() json.RawMessage {
	big := strings.Repeat("a", 200<<10)
	return json.RawMessage(fmt.Sprintf(`{"big":%q,"twin":%q,"middle":%q,"list":[%s1],"words":[%s"a"],"one":[1],"deep":%s,"map":{%s"z":1}}`,
		big, big[:len(big)-1]+"b", big[:1_200],
		strings.Repeat("1,", 30_000),
		strings.Repeat(`"aaaaaaaa",`, 2_000),
		nest(9_000, "[", "1", "]"),
		func() string {
			var b strings.Builder
			for i := range 3_000 {
				fmt.Fprintf(&b, `"k%d":1,`, i)
			}
			return b.String()
		}()))
}

// hostileFilters either are refused by Check, or end within their cost whatever they meet.
func hostileFilters() map[string]string {
	return map[string]string{
		"doubles a text":                         "[data.big]" + strings.Repeat(".map(x,x+x)", 60) + ".size()==1",
		"doubles a short text":                   "['a']" + strings.Repeat(".map(x,x+x)", 80) + ".size()==1",
		"doubles a list":                         "[data.list]" + strings.Repeat(".map(x,x+x)", 80) + ".size()==1",
		"doubles a list of its own":              "[[1,2]]" + strings.Repeat(".map(x,x+x)", 80) + ".size()==1",
		"doubles bytes":                          "[b'abc']" + strings.Repeat(".map(x,x+x)", 80) + ".size()==1",
		"a tree of 2^70 leaves, compared":        "[[1]" + strings.Repeat(".map(x,[x,x])", 35) + "].all(x,x==x)",
		"a tree of 2^70 leaves, looked for":      "[[1]" + strings.Repeat(".map(x,[x,x])", 35) + "].all(x,x in [x])",
		"a tree of 2^70 leaves, printed":         "string([1]" + strings.Repeat(".map(x,[x,x])", 35) + ")==''",
		"joins a text with itself":               "size(" + strings.Repeat("data.big+", 100) + "data.big)==0",
		"loops in loops":                         nest(4, "data.list.all(x, ", "true", ")"),
		"loops in deep loops":                    nest(40, "data.list.all(x, ", "true", ")"),
		"loops in loops over constants":          nest(8, "[1,2,3,4,5,6,7,8,9].all(x, ", "true", ")"),
		"loops that map":                         nest(6, "data.list.map(x, ", "data.list", ")") + ".size()==0",
		"loops that filter":                      nest(6, "data.list.filter(x, ", "true", ").size()>0") + "",
		"loops that count":                       nest(6, "data.list.exists_one(x, ", "true", ")"),
		"loops over keys":                        "data.list.all(x, data.map.exists(k, true))",
		"loops over the first key":               "data.list.all(x, data.map.exists(k, k != ''))",
		"loops over filtered":                    "data.list.filter(x, false).size()==1",
		"errors in a loop":                       "data.list.exists(x, int(data.big) == 1)",
		"errors of time in a loop":               "data.list.exists(x, timestamp(data.big) == timestamp(1))",
		"errors of duration in a loop":           "data.list.exists(x, duration(data.big) == duration('1s'))",
		"missing keys in a loop":                 "data.list.exists(x, data.missing == 1)",
		"long keys in a loop":                    "data.list.exists(x, data[data.big] == 1)",
		"long keys of a map in a loop":           "data.list.all(x, {data.big: 1}.size() == 1)",
		"long keys looked for in a loop":         "data.list.exists(x, data.big in data.map)",
		"a long text in a set in a loop":         "data.list.exists(x, data.big in ['a', 'b'])",
		"a long text in a list of long texts":    "data.twin in data.list.map(x, data.big)",
		"lists of long texts compared":           "[data.big,data.big,data.big,data.big] == [data.big,data.big,data.big,data.twin]",
		"lists looked through in a loop":         "data.list.all(x, !('b' in data.list))",
		"words looked through in a loop":         "data.list.all(x, !('aaaaaaab' in data.words))",
		"the message compared in a loop":         "data.list.all(x, data == data)",
		"the message compared by its inequality": "data.list.exists(x, data != data)",
		"the message in a list in a loop":        "data.list.all(x, data in [data])",
		"depth compared":                         "data.deep == data.deep",
		"long texts compared in a loop":          "data.list.all(x, data.big != data.twin)",
		"long texts ordered in a loop":           "data.list.all(x, data.big < data.twin)",
		"long texts searched in a loop":          "data.list.all(x, !data.big.contains('aaaaaaaaaaaaaaaab'))",
		"long texts searched for long texts":     "data.list.all(x, !data.big.contains(data.twin))",
		"long texts begin in a loop":             "data.list.all(x, !data.big.startsWith(data.twin))",
		"long texts end in a loop":               "data.list.all(x, !data.big.endsWith(data.twin))",
		"long texts measured in a loop":          "data.list.all(x, size(data.big) > 1)",
		"long texts converted in a loop":         "data.list.all(x, string(data.big) != '')",
		"a pattern over a long text":             "data.big.matches('(a|aa)+$b')",
		"a pattern over a long text in a loop":   "data.list.all(x, data.big.matches('^b'))",
		"a pattern over words":                   "data.words.all(x, x.matches('^(a?){8}a{8}$'))",
		"a pattern as slow as can be paid for":   "data.middle.matches('(a?){16}a{16}b')",
		"the slow pattern in a loop":             "data.list.all(x, !data.middle.matches('(a?){4}(a*)*b'))",
		"a text converted in a loop":             "data.list.exists(x, double(data.middle) == 1.0)",
		"maps of nothing in a loop":              "data.list.all(x, data.one.map(a, a).map(b, b).map(c, c).size() == 1)",
		"loops over nothing in a loop":           "data.list.all(x, [].all(y, true))",
		"loops over nothing in loops":            nest(4, "data.list.all(x, ", "[].all(y,true)&&[].all(y,true)&&[].all(y,true)&&[].all(y,true)&&[].all(y,true)", ")"),
		"long lists in a loop":                   "data.list.all(x, [" + strings.Repeat("x,", 400) + "x].size() > 1)",
		"long constant lists in a loop":          "data.list.all(x, [" + strings.Repeat("1,", 400) + "1].size() > 1)",
		"constant conditions in a loop":          "data.list.all(x, " + strings.Repeat("(true||false)&&", 60) + "true)",
		"long constants joined in a loop":        "data.list.all(x, '" + strings.Repeat("a", 400) + "'+'" + strings.Repeat("b", 400) + "' != '')",
		"a large pattern":                        "data.big.matches('(a{500}){2}')",
		"a pattern of a million":                 "data.big.matches('((((" + strings.Repeat("ab", 100) + "){10}){10}){10})')",
		"a pattern of repetitions of nothing":    "data.big.matches('((((()*){10}){10}){10})*')",
		"a pattern of classes":                   "data.big.matches('" + strings.Repeat(`\\pL`, 200) + "')",
		"a pattern from the message":             "data.big.matches(data.big)",
		"a pattern in a variable":                "['(a*)*b'].exists(p, data.big.matches(p))",
		"a chain of ors":                         strings.Repeat("true||", 170) + "true",
		"a chain of conditions":                  strings.Repeat("true?", 100) + "true" + strings.Repeat(":true", 100),
		"a chain of nots":                        strings.Repeat("!", 1000) + "true",
		"deep brackets":                          nest(500, "(", "true", ")"),
		"deep lists":                             nest(500, "[", "1", "]") + "==[]",
		"open brackets":                          strings.Repeat("(", 1024),
		"open lists":                             strings.Repeat("[", 1024),
		"open maps":                              strings.Repeat("{", 1024),
		"open calls":                             strings.Repeat("a(", 512),
		"dots":                                   "a" + strings.Repeat(".a", 500),
		"questions":                              strings.Repeat("a?", 512),
		"quotes":                                 strings.Repeat("'", 1023),
		"the time":                               "now() > timestamp(0)",
		"a time zone":                            "timestamp(0).getHours('Europe/Berlin') == 1",
		"a file":                                 "timestamp(0).getHours('/etc/passwd') == 1",
		"a message of protobuf":                  "google.protobuf.Struct{} == data",
		"the gatherer of a macro":                "[1].all(x, __result__ == true)",
		"a bracket over the hidden gatherer":     "[1].all(x, @result == true)",
		"too long":                               strings.Repeat(" ", 1025) + "true",
		"a macro's fold by hand":                 "data.list.reduce(x, y, x + y, 0) == 0",
		"numbers that overflow":                  "data.list.exists(x, 9223372036854775807 + x == 0)",
	}
}

// TestHostileFilters: each is refused when it is saved, or ends within its cost, without allocating more than that can pay for.
func TestHostileFilters(t *testing.T) { //nolint:paralleltest // it counts what the whole process allocates
	data := hostileData()
	var refused, ended int
	for name, text := range hostileFilters() {
		t.Run(name, func(t *testing.T) {
			before := allocated()
			err := filter.Check(text)
			if got := allocated() - before; got > maxCompiled {
				t.Errorf("Check allocated %d bytes, at most %d", got, maxCompiled)
			}
			if err != nil {
				refused++
				return
			}
			ended++
			f, event := filter.New(), filter.NewEvent(filter.Message{EventType: "a.b", Data: data, Resource: data})
			warm(t, f, text, event)
			spent, before := event.Spent(), allocated()
			pass, err := f.Match(text, event)
			t.Logf("%v %v; cost %d, %d bytes", pass, err, event.Spent()-spent, allocated()-before)
			if got := event.Spent() - spent; got > filter.Limit {
				t.Errorf("cost %d, at most %d", got, filter.Limit)
			}
			if got := allocated() - before; got > maxAllocated {
				t.Errorf("allocated %d bytes, at most %d", got, maxAllocated)
			}
			if err != nil && !errors.Is(err, filter.ErrCost) && !errors.Is(err, filter.ErrFilter) {
				t.Errorf("error %v is none of the sentinels", err)
			}
		})
	}
	if refused < 20 || ended < 30 {
		t.Errorf("%d refused, %d ended: the table has gone soft", refused, ended)
	}
}

// warm has the filter compiled and the message decoded.
func warm(tb testing.TB, f *filter.Filters, text string, event *filter.Event) {
	tb.Helper()
	if _, err := f.Match("size(data.map)+size(resource.map) > 0", event); err != nil {
		tb.Fatal(err)
	}
	_, err := f.Match(text, filter.NewEvent(filter.Message{}))
	if err != nil && !errors.Is(err, filter.ErrFilter) && !errors.Is(err, filter.ErrCost) {
		tb.Fatal(err)
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// BenchmarkHostile prints what the worst filters take: the figure beside filter.Limit.
func BenchmarkHostile(b *testing.B) {
	data := hostileData()
	for name, text := range hostileFilters() {
		if filter.Check(text) != nil {
			continue
		}
		b.Run(name, func(b *testing.B) {
			f, message := filter.New(), filter.Message{EventType: "a.b", Data: data, Resource: data}
			event := filter.NewEvent(message)
			warm(b, f, text, event)
			b.ReportAllocs()
			for b.Loop() {
				if event.Spent() > filter.Budget-2*filter.Limit {
					b.StopTimer()
					event = filter.NewEvent(message)
					warm(b, f, text, event)
					b.StartTimer()
				}
				_, _ = f.Match(text, event)
			}
		})
	}
}
