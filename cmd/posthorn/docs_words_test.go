package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestDocsWords: every verb and flag that the pages name is one, in commands that are run and in those that are not, in blocks and in the text.
func TestDocsWords(t *testing.T) {
	t.Parallel()
	root := parse(t, "version").Model.Node
	anywhere := map[string]bool{"help": true}
	environment := map[string]bool{}
	everyFlag(root, func(f *kong.Flag) {
		for _, name := range append(f.Aliases, f.Name) {
			anywhere[name] = true
		}
		for _, name := range f.Envs {
			environment[name] = true
		}
	})
	for _, page := range docPages(t) {
		text := docText(t, page)
		for _, command := range posthornCommands(text) {
			if wrong := checkWords(root, strings.Fields(command)[1:]); wrong != "" {
				t.Errorf("%s: %s: %s", page, command, wrong)
			}
		}
		if page == "docs/benchmarks.md" {
			continue // its flags are those of go run ./bench
		}
		for _, span := range regexp.MustCompile("`--([a-z][a-z-]*)[^`]*`").FindAllStringSubmatch(text, -1) {
			if !anywhere[span[1]] {
				t.Errorf("%s: %s: no verb has that flag", page, span[0])
			}
		}
		for _, name := range regexp.MustCompile(`POSTHORN_[A-Z_]+\b`).FindAllString(text, -1) {
			if !environment[name] && !transportsOwn.MatchString(name) {
				t.Errorf("%s: no setting is called %s", page, name)
			}
		}
	}
}

// transportsOwn are variables that the adapters read by themselves: url_test.go of each has them.
var transportsOwn = regexp.MustCompile("^POSTHORN_(KAFKA|NATS)_")

// everyFlag visits the flags of all verbs.
func everyFlag(n *kong.Node, visit func(*kong.Flag)) {
	for _, f := range n.Flags {
		visit(f)
	}
	for _, child := range n.Children {
		everyFlag(child, visit)
	}
}

// posthornCommands are the commands of a page: lines of blocks, and spans of text that begin with posthorn.
func posthornCommands(text string) (all []string) {
	for _, b := range shellBlocks(text) {
		for _, command := range commandsOf(b) {
			if found := regexp.MustCompile(`(?:^|[ ;(|])(posthorn [^|;&#>)]*)`).FindStringSubmatch(command); found != nil {
				all = append(all, found[1])
			}
		}
	}
	for _, span := range regexp.MustCompile("`(posthorn [^`]*)`").FindAllStringSubmatch(text, -1) {
		all = append(all, span[1])
	}
	return all
}

// checkWords follows a command line into the verbs and says what is unknown. Words after a verb that has no verbs below it may be anything.
func checkWords(at *kong.Node, words []string) (wrong string) {
	for i, word := range words {
		name, flag := strings.CutPrefix(word, "--")
		name, _, _ = strings.Cut(strings.TrimRight(name, ",.:]"), "=")
		switch child := verbOf(at, word); {
		case flag && name != "help" && !hasFlag(at, name):
			return at.Summary() + " has no flag --" + name
		case flag || strings.HasPrefix(word, "-"):
		case child != nil:
			at = child
		case !leaf(at) && (i == 0 || !strings.HasPrefix(words[i-1], "-")):
			return word + " is no verb of " + at.Summary()
		}
	}
	return ""
}

func leaf(n *kong.Node) bool {
	for _, child := range n.Children {
		if child.Type == kong.CommandNode {
			return false
		}
	}
	return true
}

// verbOf is the verb of a name; several may stand for each other, as create|list|revoke.
func verbOf(n *kong.Node, word string) *kong.Node {
	name, _, _ := strings.Cut(word, "|")
	for _, child := range n.Children {
		if child.Type == kong.CommandNode && child.Name == strings.Trim(name, ",.") {
			return child
		}
	}
	return nil
}

// hasFlag looks in a verb and in those above it.
func hasFlag(n *kong.Node, name string) bool {
	for _, group := range n.AllFlags(false) {
		for _, f := range group {
			if f.Name == name || slices.Contains(f.Aliases, name) {
				return true
			}
		}
	}
	return false
}
