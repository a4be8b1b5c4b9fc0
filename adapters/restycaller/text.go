package restycaller

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is the most bytes of Reply.Error.
const maxText = 512

// oneLine makes a text of strangers fit for logs and terminals: what is not printable is escaped, and it is cut.
func oneLine(s string) string {
	var b strings.Builder

	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}

		if b.Len() > maxText {
			break
		}
	}

	return cut(b.String(), maxText)
}

// cut returns at most n bytes of s, and no half of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}

	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}

	return s[:n]
}
