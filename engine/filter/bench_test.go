package filter_test

import (
	"encoding/json"
	"testing"

	"posthorn/engine/filter"
)

// BenchmarkMatch beside BenchmarkPlain: what a filter costs over the same comparison written in Go.
func BenchmarkMatch(b *testing.B) {
	for name, text := range map[string]string{
		"comparison": "data.amount > 5",
		"usual":      "has(data.amount) && data.amount > 5 && data.address.city in ['Bern', 'Basel']",
		"list":       "data.items.exists(i, i.sku == 'y')",
	} {
		b.Run(name, func(b *testing.B) {
			f, event := filter.New(), filter.NewEvent(someMessage())
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%10_000 == 0 { // its budget
					event = filter.NewEvent(someMessage())
				}
				if pass, err := f.Match(text, event); err != nil || !pass {
					b.Fatal(pass, err)
				}
			}
		})
	}
}

func BenchmarkPlain(b *testing.B) {
	var data map[string]any
	if err := json.Unmarshal([]byte(someData[:len(`{"amount":12,"price":5.5`)]+"}"), &data); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if amount, ok := data["amount"].(float64); !ok || amount <= 5 {
			b.Fatal(data)
		}
	}
}

// BenchmarkDecode is what the first filter that looks into a message adds.
func BenchmarkDecode(b *testing.B) {
	f := filter.New()
	for b.Loop() {
		if _, err := f.Match("data.amount > 5", filter.NewEvent(someMessage())); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheck is what saving a webhook adds, and a filter that is not kept.
func BenchmarkCheck(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := filter.Check("has(data.amount) && data.amount > 5 && data.address.city in ['Bern', 'Basel']"); err != nil {
			b.Fatal(err)
		}
	}
}
