package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

// A Message is what filters look at. Data and Resource are JSON, or empty for none, which a filter sees as null; they are not
// changed, and must not change while the [Event] made of them is in use.
type Message struct {
	EventType string
	Data      json.RawMessage // the message's inline data
	Resource  json.RawMessage // the body of the resource that it tells of
}

// An Event is one message on its way through the filters of the webhooks that may hear of it: it is decoded at most once,
// when the first filter looks, and what all of them cost is counted. Safe for concurrent use.
type Event struct {
	eventType      types.String
	data, resource func() ref.Val
	spent          atomic.Int64
}

// NewEvent prepares a message for filters. It costs nothing until one looks at data or resource.
func NewEvent(m Message) *Event {
	return &Event{
		eventType: types.String(m.EventType),
		data:      sync.OnceValue(func() ref.Val { return decode(m.Data) }),
		resource:  sync.OnceValue(func() ref.Val { return decode(m.Resource) }),
	}
}

// Spent is what filters have cost so far for this message, of [Budget].
func (e *Event) Spent() int { return int(e.spent.Load()) }

// ResolveName implements [interpreter.Activation].
func (e *Event) ResolveName(name string) (any, bool) {
	switch name {
	case "eventType":
		return e.eventType, true
	case "data":
		return orError(e.data()), true
	case "resource":
		return orError(e.resource()), true
	default:
		return nil, false
	}
}

// Parent implements [interpreter.Activation].
func (*Event) Parent() interpreter.Activation { return nil }

// orError makes a new error of nil each time: CEL notes in an error where it was met, and an Event is met by many at once.
func orError(v ref.Val) ref.Val {
	if v == nil {
		return types.NewErrFromString("the message is not JSON")
	}
	return v
}

// decode makes values of JSON, once, so that no filter pays again for what another has read. It is nil for what is not JSON.
func decode(raw json.RawMessage) ref.Val {
	if len(raw) == 0 {
		return types.NullValue
	}
	var v any
	numbers := json.NewDecoder(bytes.NewReader(raw))
	numbers.UseNumber()
	if err := numbers.Decode(&v); err != nil {
		return nil
	}
	if _, err := numbers.Token(); !errors.Is(err, io.EOF) {
		return nil
	}
	return value(v)
}

func value(v any) ref.Val {
	switch v := v.(type) {
	case bool:
		return types.Bool(v)
	case string:
		return types.String(v)
	case json.Number:
		return number(v.String())
	case []any:
		list := make([]ref.Val, len(v))
		for i, element := range v {
			list[i] = value(element)
		}
		return types.NewRefValList(types.DefaultTypeAdapter, list)
	case map[string]any:
		return newObject(v)
	default:
		return types.NullValue
	}
}

// number is an int where it is written as one and fits into 64 bits, so that ids beyond 2^53 compare exactly, and else a
// double. The one error that a number of JSON can have here is to be too large, and then it is infinite.
func number(written string) ref.Val {
	if i, err := strconv.ParseInt(written, 10, 64); err == nil {
		return types.Int(i)
	}
	f, _ := strconv.ParseFloat(written, 64)
	return types.Double(f)
}

// An object is a JSON object. CEL's own map copies all keys for each loop over it, at no cost, and loops in random order.
type object struct {
	traits.Mapper
	keys traits.Lister // in their order as texts
}

func newObject(fields map[string]any) object {
	keys := make([]string, 0, len(fields))
	for key, v := range fields {
		keys = append(keys, key)
		fields[key] = value(v)
	}
	slices.Sort(keys)
	return object{types.NewStringInterfaceMap(types.DefaultTypeAdapter, fields), types.NewStringList(types.DefaultTypeAdapter, keys)}
}

// Iterator implements [traits.Iterable] over the keys.
func (o object) Iterator() traits.Iterator { return o.keys.Iterator() }
