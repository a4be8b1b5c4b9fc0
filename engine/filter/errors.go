package filter

import (
	"errors"
	"strings"
	"unicode"
)

// What judging a filter may end with, beside an answer. Their texts, and those that wrap them, hold nothing of the message.
var (
	// ErrCost says that the filter reached the limit of its cost, or the message's budget for all filters is used up.
	ErrCost = errors.New("filter cost limit reached")
	// ErrFilter says that the filter has no answer for this message: it reads a field that is missing, or expects another
	// type; or it does not compile at all, which [Check] would have said.
	ErrFilter = errors.New("filter failed")
)

// maxCut is how many characters of a filter, or of what the compiler says about it, an error repeats.
const maxCut = 120

// cut shortens a text for an error, and replaces what a terminal would obey.
func cut(text string) string {
	kept := []rune(text)
	if len(kept) > maxCut {
		kept = append(kept[:maxCut:maxCut], '…')
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, string(kept))
}
