package filter_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"posthorn/engine/filter"
)

const (
	someData     = `{"amount":12,"price":5.5,"round":6.0,"id":9007199254740993,"big":1e400,"name":"Ada","tags":["a","b"],"nil":null,"on":true,"at":"2026-01-02T03:04:05Z","items":[{"sku":"x","n":2},{"sku":"y","n":7}],"address":{"city":"Bern","zip":"3011"},"other":{"zip":"3011","city":"Bern"},"first-name":"Ada","digits":"42","empty":{},"0":"zero"}`
	someResource = `{"email":"ada@example.com","state":"HIRED"}`
)

func someMessage() filter.Message {
	return filter.Message{EventType: "invoice.paid", Data: json.RawMessage(someData), Resource: json.RawMessage(someResource)}
}

// none are the answers of a filter that has none.
var (
	none       = filter.ErrFilter
	errRefused = errors.New("refused by Check")
)

func TestSemantics(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		"":      true, // no filter
		"true":  true,
		"false": false,

		// Variables.
		"eventType == 'invoice.paid'":                            true,
		"eventType.startsWith('invoice.')":                       true,
		"resource.email.endsWith('@example.com')":                true,
		"resource.state in ['HIRED', 'REJECTED']":                true,
		"data.address.city == 'Bern'":                            true,
		"data['first-name'] == 'Ada'":                            true,
		"data['0'] == 'zero'":                                    true,
		"data.on":                                                true,
		"!data.on":                                               false,
		"data.nil == null":                                       true,
		"data.name == null":                                      false,
		"data.items[1].n == 7":                                   true,
		"data.at > '2026-01-01'":                                 true,
		"timestamp(data.at) > timestamp('2026-01-01T00:00:00Z')": true,
		"timestamp(data.at) - timestamp('2026-01-01T00:00:00Z') < duration('48h')": true,

		// Numbers: ints and doubles compare with each other, whichever is written where.
		"data.amount > 5":                       true,
		"data.amount > 5.5":                     true,
		"data.amount == 12.0":                   true,
		"data.price > 5":                        true,
		"data.price > 5.4":                      true,
		"data.price < 5.4":                      false,
		"data.round == 6":                       true,
		"data.amount in [11.0, 12.0]":           true,
		"data.id == 9007199254740993":           true,
		"data.id == 9007199254740992":           false, // equal as doubles
		"data.big > 1.0":                        true,
		"size(data.tags) > 1.5":                 true,
		"data.amount + 1 == 13":                 true,
		"data.price + 1.0 == 6.5":               true,
		"data.price + 1 == data.price":          none, // CEL mixes them in comparisons only
		"double(data.amount) * 1.5 == 18.0":     true,
		"int(data.digits) == 42":                true,
		"int(data.name) == 42":                  none,
		"data.amount / 0 == 1":                  none,
		"data.amount % 5 == 2":                  true,
		"-data.amount == -12":                   true,
		"data.amount + 9223372036854775807 > 0": none, // overflow

		// Missing fields and wrong types.
		"data.missing == 1":                              none,
		"has(data.missing)":                              false,
		"has(data.missing) && data.missing == 1":         false,
		"!has(data.missing) || data.missing == 1":        true,
		"has(data.nil)":                                  true,
		"data.missing == 1 || true":                      true,
		"data.missing == 1 && false":                     false,
		"data.name > 5":                                  none,
		"data.name":                                      none, // not a bool
		"data.tags[5] == 'a'":                            none,
		"has(data.address.city)":                         true,
		"has(data.missing.city)":                         none,
		"has(data.address) && has(data.address.missing)": false,

		// Macros.
		"data.items.exists(i, i.sku == 'x' && i.n > 1)":   true,
		"data.items.all(i, i.n > 2)":                      false,
		"data.items.exists_one(i, i.n > 2)":               true,
		"size(data.items.filter(i, i.n > 1)) == 2":        true,
		"data.items.map(i, i.n) == [2, 7]":                true,
		"data.items.map(i, i.n > 2, i.sku) == ['y']":      true,
		"data.address.exists(k, k == 'zip')":              true,
		"data.address.map(k, k) == ['city', 'zip']":       true, // in order
		"data.other.map(k, k) == ['city', 'zip']":         true,
		"data.items.all(i, data.items.exists(j, j == i))": true,
		"[1, 2].map(x, [x, x]) == [[1, 1], [2, 2]]":       true,

		// Texts.
		"data.name.contains('d')":     true,
		"data.name.matches('^A.a$')":  true,
		"matches(data.name, '^B')":    false,
		"data.amount.matches('1')":    none,
		"data.name + '!' == 'Ada!'":   true,
		"size(data.name) == 3":        true,
		"data.name + 1 == data.name":  none,
		"string(data.amount) == '12'": true,

		// Equality and membership are deep, whatever order an object's fields were written in.
		"data.address == data.other":   true,
		"data.address != data.other":   false,
		"data.address == data.empty":   false,
		"data.tags == ['a', 'b']":      true,
		"data.tags == ['a']":           false,
		"data.tags != ['b', 'a']":      true,
		"data.tags == 'a'":             false,
		"'b' in data.tags":             true,
		"'c' in data.tags":             false,
		"1 in data.tags":               false,
		"data.address in [data.other]": true,
		"'city' in data.address":       true,
		"'town' in data.address":       false,
		"'a' in data.name":             none,
		"type(data.amount) == int":     true,
		"type(data.price) == double":   true,

		// What filters do not have.
		"1":                                   errRefused,
		"'text'":                              errRefused,
		"data.tags + ['c'] == []":             none,
		"['a'] + ['c'] == []":                 none,
		"{'a': 1} == data":                    errRefused,
		"data[data.name] == 1":                errRefused,
		"data.name.matches(data.name)":        errRefused,
		"data.name.matches('(')":              errRefused,
		"timestamp('garbage') > timestamp(0)": errRefused,
		"timestamp(data.at).getHours() == 3":  errRefused,
		"data.?missing.orValue(0) == 0":       errRefused,
		"unknown == 1":                        errRefused,
		"data.amount >":                       errRefused,
		" ":                                   errRefused,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got := judge(text, someMessage())
			if want, ok := want.(error); ok {
				if err, _ := got.(error); !errors.Is(err, want) {
					t.Fatalf("%q is %v, want %v", text, got, want)
				}
				return
			}
			if got != want {
				t.Fatalf("%q is %v, want %v", text, got, want)
			}
		})
	}
}

// judge gives a bool, or an error: refused for what Check refuses.
func judge(text string, m filter.Message) any {
	if text != "" {
		if err := filter.Check(text); err != nil {
			return fmt.Errorf("%w: %w", errRefused, err)
		}
	}
	pass, err := filter.New().Match(text, filter.NewEvent(m))
	if err != nil {
		return err
	}
	return pass
}

func TestNothingIsNull(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"data == null && resource == null", "!has(data.x)", "!(has(data.x) && data.x > 1)"} {
		if got := judge(text, filter.Message{EventType: "a"}); got != true {
			t.Errorf("%q is %v without data, want true", text, got)
		}
	}
}

func TestWhatIsNotJSON(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"{", "1 2", "secret", `{"a":1}}`} {
		err, _ := judge("data.a == 1", filter.Message{Data: json.RawMessage(raw)}).(error)
		if !errors.Is(err, filter.ErrFilter) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %v without what it holds", raw, err, filter.ErrFilter)
		}
	}
}

// TestRefusals: what a user reads names the place and what is wrong there.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"data.amount >":                    `filter "data.amount >" refused: at line 1, column 14: Syntax error: mismatched input '<EOF>'`,
		"amount > 5":                       `filter "amount > 5" refused: at line 1, column 1: undeclared reference to 'amount'`,
		"true &&\n size(data.a)":           `filter "true &&  size(data.a)" refused: at line 2, column 6: expected type 'bool' but found 'int'`,
		"size(data.a)":                     `filter "size(data.a)" refused: at line 1, column 1: it yields int, not a bool`,
		"data.a == {}":                     `filter "data.a == {}" refused: at line 1, column 11: a filter makes no maps or messages`,
		"data[data.a]":                     `filter "data[data.a]" refused: at line 1, column 5: an index is a number or a text as it stands, not computed`,
		"data.a.matches('(')":              `column 15: the pattern is no regular expression`,
		"data.a.matches('(a{500}){2}')":    `column 15: the pattern is too large: 1010 instructions, at most 128`,
		"data.at == timestamp('never')":    `line 1, column 22: invalid timestamp argument`,
		strings.Repeat(" ", 1021) + "true": `filter of 1025 bytes refused: a filter has at most 1024`,
		strings.Repeat("(", 100) + strings.Repeat(")", 100): `line 1, column 1: expression recursion limit exceeded: 32`,
	} {
		err := filter.Check(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check(%q) = %v, want it to hold %s", text, err, want)
			continue
		}
		if got := len(err.Error()); got > 600 || strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("Check(%q) is %d bytes, or has control characters: %v", text, got, err)
		}
	}
}

// TestErrorsHoldNothingOfTheMessage: payloads are personal, and CEL's texts may quote them; so there is one text.
func TestErrorsHoldNothingOfTheMessage(t *testing.T) {
	t.Parallel()
	m := filter.Message{EventType: "personal", Data: json.RawMessage(`{"a":"personal","personal":1,"l":["personal"]}`)}
	for _, text := range []string{
		"int(data.a) == 1", "double(data.a) == 1.0", "timestamp(data.a) == timestamp(0)", "duration(data.a) == duration('1s')", "bool(data.a)",
		"data.a + 1 == 2", "data.a.x == 1", "data.l[7] == 1", "data.l.x == 1", "data.map(k, int(k)) == []", "data.l.all(x, x)", "uint(data.a) == 1u",
	} {
		err, _ := judge(text, m).(error)
		const want = "filter failed: a field that it reads is missing, or of another type"
		if !errors.Is(err, filter.ErrFilter) || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestCosts: what docs/filters.md says of the cost of each kind of step.
func TestCosts(t *testing.T) {
	t.Parallel()
	m := filter.Message{EventType: "a", Data: json.RawMessage(`{"n":1,"text":"` + strings.Repeat("a", 640) + `","list":[1,2,3,4,5]}`)}
	const read, call, text, logic = 1, 1, 10, 3 // text: one for each 64 of its 640 bytes
	for source, want := range map[string]int{
		"true":                        0,
		"eventType == 'a'":            read + call + 1,
		"data.n > 5":                  read + call,
		"data.n == 1":                 read + call + 1,
		"has(data.n)":                 read,
		"data.n > 5 || data.n < 5":    logic + 2*(read+call),
		"data.n > 5 ? true : false":   read + read + call,
		"data.text.contains('b')":     read + text + call,
		"data.text == data.text":      2*(read+text) + call + 1 + text,
		"data.text + data.text != ''": 2*(read+text) + call + 2*text + 2*text + call + 1, // joined, and what that yields
		"data.text.matches('b{8}')":   read + text + call + 640*10/16,                    // 8 letters, and two for their repetition
		"7 in data.list":              read + call + 5,
		"7 in [1, 2, 3]":              call + 3,
		"data.list == data.list":      2*read + call + 1 + 5,
		"data.list.all(x, false)":     logic + read + (call + read) + (logic + read) + (call + read) + read, // the loop, its list, and with the first element: ask, judge, ask; the answer
	} {
		event := filter.NewEvent(m)
		if _, err := filter.New().Match(source, event); err != nil {
			t.Errorf("%q: %v", source, err)
		}
		if got := event.Spent(); got != want {
			t.Errorf("%q costs %d, want %d", source, got, want)
		}
	}
}

// TestBudget: all filters of one message have one budget; the next message has its own.
func TestBudget(t *testing.T) {
	t.Parallel()
	f := filter.New()
	m := filter.Message{Data: json.RawMessage("[" + strings.Repeat("1,", 10_000) + "1]")}
	event := filter.NewEvent(m)
	costly := func(i int) string { return fmt.Sprintf("data.all(x, x != %d)", i+2) }
	for i := range filter.Budget / filter.Limit {
		if _, err := f.Match(costly(i%7), event); !errors.Is(err, filter.ErrCost) {
			t.Fatalf("filter %d: %v, want %v", i, err, filter.ErrCost)
		}
		if got, want := event.Spent(), (i+1)*filter.Limit; got != want {
			t.Fatalf("spent %d after %d filters, want %d", got, i+1, want)
		}
	}
	if _, err := f.Match("true && eventType == ''", event); !errors.Is(err, filter.ErrCost) {
		t.Fatalf("a cheap filter behind them: %v, want %v", err, filter.ErrCost)
	}
	if _, err := f.Match("eventType == ''", filter.NewEvent(m)); err != nil {
		t.Fatalf("the next message: %v", err)
	}
}

// TestSharedByMany: filters, programs and an event are used by many goroutines at once; the race detector looks on. More
// filters than are kept are judged right all the same.
func TestSharedByMany(t *testing.T) {
	t.Parallel()
	f, event, broken := filter.New(), filter.NewEvent(someMessage()), filter.NewEvent(filter.Message{Data: json.RawMessage("{")})
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 400 {
				n := (i*7 + g) % 40
				if pass, err := f.Match(fmt.Sprintf("data.amount > %d", n), event); err != nil || pass != (12 > n) {
					t.Errorf("data.amount > %d is %v, %v", n, pass, err)
				}
				if _, err := f.Match("data.missing == 1 || data.name + 1 == data.address[0]", event); !errors.Is(err, filter.ErrFilter) {
					t.Errorf("want %v, got %v", filter.ErrFilter, err)
				}
				if _, err := f.Match("data.x == 1", broken); !errors.Is(err, filter.ErrFilter) {
					t.Errorf("want %v, got %v", filter.ErrFilter, err)
				}
			}
		})
	}
	all.Wait()
}
