package filter_test

import (
	"encoding/json"
	"errors"
	"testing"

	"posthorn/engine/filter"
)

// FuzzMatch: whatever a filter says, and whatever the message, there is an answer or one of the two errors, at a bounded cost,
// and the same one again.
func FuzzMatch(f *testing.F) {
	for _, text := range hostileFilters() {
		f.Add(text, `{"big":"aaaa","twin":"aaab","middle":"aaa","list":[1,2,3],"words":["a"],"one":[1],"deep":[[1]],"map":{"k":1}}`)
	}
	f.Add("data.amount > 5 && data.items.exists(i, i.n > 2.5)", someData)
	filters := filter.New()
	f.Fuzz(func(t *testing.T, text, data string) {
		before := allocated()
		err := filter.Check(text)
		// Four fuzzing goroutines would not share a process; what the fuzzer itself allocates is little beside this.
		if got := allocated() - before; got > 2*maxCompiled {
			t.Errorf("Check allocated %d bytes", got)
		}
		event := filter.NewEvent(filter.Message{EventType: "a.b", Data: json.RawMessage(data)})
		pass, failed := filters.Match(text, event)
		spent := event.Spent()
		if spent < 0 || spent > filter.Limit {
			t.Errorf("cost %d, at most %d", spent, filter.Limit)
		}
		if failed != nil && errors.Is(failed, filter.ErrCost) == errors.Is(failed, filter.ErrFilter) {
			t.Errorf("%v is not exactly one of the sentinels", failed)
		}
		if err != nil && text != "" && !errors.Is(failed, filter.ErrFilter) {
			t.Errorf("refused (%v), and yet %v, %v", err, pass, failed)
		}
		again, failedAgain := filters.Match(text, event)
		if again != pass || (failedAgain == nil) != (failed == nil) || event.Spent() != 2*spent {
			t.Errorf("at first %v, %v for %d, then %v, %v for %d", pass, failed, spent, again, failedAgain, event.Spent()-spent)
		}
	})
}
