package core

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode"
)

// A field is what one number means: its name, and whether it holds a time.
type field struct {
	name string
	time bool
}

// A vocabulary holds every number that is stored, the structs that use it, and what is wrong.
type vocabulary struct {
	meanings map[uint64]field
	users    map[uint64][]string
	faults   []string
}

// words is made once: each row of a story is written with it.
var words = sync.OnceValue(newVocabulary)

func newVocabulary() vocabulary {
	v := vocabulary{meanings: map[uint64]field{}, users: map[uint64][]string{}}
	for _, row := range []reflect.Type{
		reflect.TypeFor[engineRow](), reflect.TypeFor[webhookRow](), reflect.TypeFor[resourceRow](), reflect.TypeFor[callRow](),
		reflect.TypeFor[keyRow](), reflect.TypeFor[Job](), reflect.TypeFor[apiKeyRow](), reflect.TypeFor[replayRow](), reflect.TypeFor[openReplayRow](),
	} {
		v.walk(row.Name(), row)
	}
	for _, k := range kinds() {
		v.walk(k.name, k.goType)
	}
	return v
}

func (v *vocabulary) walk(in string, s reflect.Type) {
	for f := range s.Fields() {
		inner := f.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		number, rest, _ := strings.Cut(f.Tag.Get("cbor"), ",")
		switch {
		case number == "-":
			continue
		case f.Anonymous && number == "":
			v.walk(in, inner)
			continue
		case inner.Kind() == reflect.Struct:
			v.walk(in+"."+f.Name, inner)
		}
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil || !strings.HasPrefix(rest, "keyasint") {
			v.faults = append(v.faults, fmt.Sprintf("%s.%s has the tag %q; what is stored has a number", in, f.Name, f.Tag))
			continue
		}
		means := meaning(f, inner)
		if before, ok := v.meanings[n]; ok && before != means {
			v.faults = append(v.faults, fmt.Sprintf("number %d means %+v, and %+v in %s", n, before, means, in))
		}
		v.meanings[n] = means
		if !slices.Contains(v.users[n], in) {
			v.users[n] = append(v.users[n], in)
		}
	}
}

// meaning is a field's name in answers, or in Go where no answer shows it.
func meaning(f reflect.StructField, inner reflect.Type) field {
	means := field{string(unicode.ToLower(rune(f.Name[0]))) + f.Name[1:], inner == reflect.TypeFor[Stamp]()}
	if shown, _, _ := strings.Cut(f.Tag.Get("json"), ","); shown != "" && shown != "-" {
		means.name = shown
	} else if means.time && f.Name != "At" && !strings.HasSuffix(f.Name, "At") {
		means.name += "At" // a stamp beside the public time that it stands for
	}
	return means
}

// TestFieldNumbers: one number has one meaning, and one meaning one number. A line of the golden may be added, none changed.
func TestFieldNumbers(t *testing.T) {
	t.Parallel()
	v := words()
	for _, fault := range v.faults {
		t.Error(fault)
	}
	var out strings.Builder
	numbers := map[field]uint64{}
	for _, n := range slices.Sorted(maps.Keys(v.meanings)) {
		means := v.meanings[n]
		if other, ok := numbers[means]; ok {
			t.Errorf("%+v has the numbers %d and %d", means, other, n)
		}
		numbers[means] = n
		fmt.Fprintf(&out, "%d %s: %s\n", n, means.name, strings.Join(v.users[n], " "))
	}
	golden(t, "fields.golden", out.String())
}

// readable writes stored fields with their names in place of their numbers; what is not CBOR it writes as it is.
func readable(data []byte) string {
	var value any
	if err := stored.reading.Unmarshal(data, &value); err != nil {
		return strings.ReplaceAll(string(data), "\x00", "|")
	}
	var out strings.Builder
	write(&out, words().meanings, value)
	return out.String()
}

func write(out *strings.Builder, meanings map[uint64]field, value any) {
	separator := ""
	switch value := value.(type) {
	case map[any]any:
		if texts, ok := pairs(value); ok {
			out.WriteString(texts)
			return
		}
		numbers := make([]uint64, 0, len(value))
		for k := range value {
			n, _ := k.(uint64)
			numbers = append(numbers, n)
		}
		slices.Sort(numbers)
		out.WriteString("{")
		for _, n := range numbers {
			out.WriteString(separator + meanings[n].name + ":")
			separator = ", "
			if ns, ok := value[n].(uint64); ok && meanings[n].time {
				out.WriteString(Stamp(ns).Time().Format("2006-01-02T15:04:05.999999999Z"))
				continue
			}
			write(out, meanings, value[n])
		}
		out.WriteString("}")
	case []any:
		out.WriteString("[")
		for _, element := range value {
			out.WriteString(separator)
			separator = ", "
			write(out, meanings, element)
		}
		out.WriteString("]")
	case string:
		out.WriteString(strconv.Quote(value))
	default:
		fmt.Fprint(out, value)
	}
}

// pairs writes what a company named itself, its metadata and headers; ok is false for fields, which have numbers.
func pairs(value map[any]any) (text string, ok bool) {
	texts := map[string]any{}
	for k, v := range value {
		name, isText := k.(string)
		if !isText {
			return "", false
		}
		texts[name] = v
	}
	out, err := json.Marshal(texts)
	return string(out), err == nil && len(texts) > 0
}

// TestSameRowsSameBytes: a row that was read is written as it was.
func TestSameRowsSameBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(`start-engine {}
		register {"company":"42","url":"https://a.example/","eventTypes":["*"],"schedule":[]}
		create-candidate {"company":"42","email":"ada@example.com","firstName":"Ada","lastName":"L"}
		KeyUsed {"company":"42","route":"r","key":"k","fingerprint":"f","answer":"{}"}
		judge {"company":"42","call":"call_1","attempt":1,"lease":1,"epoch":1,"class":"timeout"}
		disable {"company":"42","id":"wh_1"}
		KeyCreated {"apiKey":"key_1","name":"n","scope":"read","rate":2,"hash":"h"}
		KeyRevoked {"apiKey":"key_1"}
		start-replay {"company":"42","mode":"same","rate":1}`)
	seen := map[string]bool{}
	for k, value := range w.rows {
		kind := strings.Split(k, "\x00")[1]
		row := map[string]any{
			"engine": new(engineRow), "webhook": new(webhookRow), "resource": new(resourceRow), "call": new(callRow), "idempotency": new(keyRow),
			"job": new(Job), "apikey": new(apiKeyRow), "replay": new(replayRow), "replaying": new(openReplayRow),
		}[kind]
		if row == nil {
			continue
		}
		seen[kind] = true
		if err := readRow([]byte(k), value, row); err != nil {
			t.Error(err)
		}
		if again, err := writeRow(row); err != nil || !bytes.Equal(value, again) {
			t.Errorf("%s is written again as %x, was %x: %v", showKey(k), again, value, err)
		}
		if err := readRow([]byte("r\x00x"), value, row); kind != "engine" && err == nil {
			t.Errorf("a row of kind %s is read under a key without its parts", kind)
		}
	}
	if len(seen) != 9 {
		t.Errorf("only %v were looked at", seen)
	}
}
