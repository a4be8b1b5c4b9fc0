package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCmd prints what a shell needs to complete our words. The scripts ask the program itself (completeCmd), so they never
// fall behind it.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: ${enum}. For bash: source <(posthorn completion bash)"`
}

// Run prints the script.
func (c *completionCmd) Run(p *program) error {
	_, err := fmt.Fprint(p.stdout, map[string]string{
		"bash": `_posthorn() {
	local IFS=$'\n'
	COMPREPLY=($(posthorn complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _posthorn posthorn
`,
		"zsh": `#compdef posthorn
_posthorn() {
	local -a found
	found=("${(@f)$(posthorn complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if (( ${#found} > 0 )) && [[ -n $found[1] ]]; then compadd -a found; else _files; fi
}
compdef _posthorn posthorn
`,
		"fish": `complete -c posthorn -a '(posthorn complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
	}[c.Shell])
	return err
}

// completeCmd is asked by the shells' scripts.
type completeCmd struct {
	Words []string `arg:"" help:"The words so far; the last is to be completed, and may be empty." optional:""`
}

// Run prints the possible last words, one a line.
func (c *completeCmd) Run(p *program) error {
	if len(c.Words) == 0 {
		return nil
	}
	last := len(c.Words) - 1
	for _, word := range possible(p.kong.Model.Node, c.Words[:last]) {
		if !strings.HasPrefix(word, c.Words[last]) || strings.HasPrefix(word, "-") && c.Words[last] == "" {
			continue
		}
		if _, err := fmt.Fprintln(p.stdout, word); err != nil {
			return err
		}
	}
	return nil
}

// possible lists what may follow the words: verbs, flags, or the values of a flag that has few.
func possible(at *kong.Node, words []string) []string {
	var awaits *kong.Flag // the flag before, if it takes a value
	for _, word := range words {
		switch child := childOf(at, word); {
		case awaits != nil:
			awaits = nil
		case strings.HasPrefix(word, "-"):
			awaits = flagOf(at, word)
		case child != nil:
			at = child
		}
	}
	if awaits != nil {
		return slices.DeleteFunc(awaits.EnumSlice(), func(s string) bool { return s == "" })
	}
	var all []string
	for _, child := range at.Children {
		if !child.Hidden {
			all = append(all, child.Name)
		}
	}
	for _, positional := range at.Positional {
		all = append(all, positional.EnumSlice()...)
	}
	for _, group := range at.AllFlags(true) {
		for _, flag := range group {
			all = append(all, "--"+flag.Name)
		}
	}
	return all
}

func childOf(at *kong.Node, word string) *kong.Node {
	for _, child := range at.Children {
		if child.Name == word {
			return child
		}
	}
	return nil
}

// flagOf finds the flag of a word that has no value of its own; nil if it takes none.
func flagOf(at *kong.Node, word string) *kong.Flag {
	for _, group := range at.AllFlags(false) {
		for _, flag := range group {
			if "--"+flag.Name == word && !flag.IsBool() {
				return flag
			}
		}
	}
	return nil
}
