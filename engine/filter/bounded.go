package filter

import (
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// The calls whose work does not follow from the texts they are given. Each takes two values, none of them an error.

// wrongType is a new error each time: CEL notes the place in it, in its own single one too, which is a data race.
func wrongType() ref.Val { return types.WrapErr(ErrFilter) }

func equals(e *evaluation, args []ref.Val) ref.Val { return types.Bool(e.same(args[0], args[1])) }

func differs(e *evaluation, args []ref.Val) ref.Val { return types.Bool(!e.same(args[0], args[1])) }

// same compares as CEL does, and charges for each element: a message has a hundred thousand, and of the macro map a filter can
// build a tree of lists that has more leaves than there are atoms.
func (e *evaluation) same(a, b ref.Val) bool {
	e.charge(1 + min(strides(a), strides(b)))
	switch a := a.(type) {
	case traits.Lister:
		b, ok := b.(traits.Lister)
		return ok && a.Size() == b.Size() && e.sameElements(a, b)
	case traits.Mapper:
		b, ok := b.(traits.Mapper)
		return ok && a.Size() == b.Size() && e.sameFields(a, b)
	default:
		return types.Equal(a, b) == types.True
	}
}

func (e *evaluation) sameElements(a, b traits.Lister) bool {
	for i := range length(a) {
		if !e.same(a.Get(i), b.Get(i)) {
			return false
		}
	}
	return true
}

func length(l traits.Lister) types.Int {
	n, _ := l.Size().(types.Int)
	return n
}

func (e *evaluation) sameFields(a, b traits.Mapper) bool {
	for keys := a.Iterator(); keys.HasNext() == types.True; {
		key := keys.Next()
		e.charge(strides(key))
		field, found := b.Find(key)
		if !found || !e.same(a.Get(key), field) {
			return false
		}
	}
	return true
}

// in looks for a value among the elements of a list, or the keys of an object.
func in(e *evaluation, args []ref.Val) ref.Val {
	switch container := args[1].(type) {
	case traits.Lister:
		for i := range length(container) {
			if e.same(args[0], container.Get(i)) {
				return types.True
			}
		}
		return types.False
	case traits.Mapper:
		return container.Contains(args[0])
	default:
		return wrongType()
	}
}

// add adds and joins, but not lists: CEL does that in no time and by reference, so that 80 steps double a list 80 times. The
// macros map and filter gather in a mutable list, which no filter can name.
func add(e *evaluation, args []ref.Val) ref.Val {
	if _, ok := args[0].(traits.Lister); ok {
		if _, gathers := args[0].(traits.MutableLister); !gathers {
			return wrongType()
		}
	}
	adder, ok := args[0].(traits.Adder)
	if !ok {
		return wrongType()
	}
	e.charge(strides(args[0]) + strides(args[1])) // before they are joined
	return adder.Add(args[1])
}
