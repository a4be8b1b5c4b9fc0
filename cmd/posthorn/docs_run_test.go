package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocsCommands runs the shell commands of README.md and docs/*.md: every block that is marked sh, bash or console, page by page, in the
// order of the page. A command that is not run here stands in notRun, with the reason. What a page may count on:
//
//   - An engine runs with --dev at 127.0.0.1:8080 over the directory data (as /var/lib/posthorn, ./data or posthorn-data, too), and POSTHORN_SERVER
//     and POSTHORN_DATA name both. 127.0.0.1:9000 to 9002 are free. Each page has ports and a directory of its own.
//   - $COMPANY is 42, and has $CANDIDATE and three webhooks. $WEBHOOK asks for `invoice.*`, and was told of $MESSAGE. One asks for `shipment.*` and
//     answers 500: $CALL has failed there. One asks for `parcel.*` and answers 500: $PENDING waits there for its next attempt. $AT is a time after all that.
//   - A command stands in one line, or goes on after a \. Variables last until the page's end. curl fails for a status of 400 and more. Every
//     command has to end with 0.
//   - Before a verb that works on --data the engine is stopped, and started again after it. `serve` and `listen` in the foreground go on running
//     behind the page's other commands, serve in place of the engine that ran.
//   - A block that starts something with & is a script of its own, and starts what it needs.
func TestDocsCommands(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not on this machine")
	}
	used := map[string]bool{}
	for _, name := range docPages(t) {
		var blocks []string
		for _, b := range shellBlocks(docText(t, name)) {
			if left := commandsToRun(name, b, used); len(left) > 0 {
				blocks = append(blocks, strings.Join(left, "\n"))
			}
		}
		if len(blocks) == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newDocRun(t)
			for _, b := range blocks {
				p.block(b)
			}
			p.stop()
		})
	}
	for line, reason := range notRun {
		if !used[line] {
			t.Errorf("no page has a command that begins as %q, which is not run because %s: take it out of the table", line, reason)
		}
	}
}

// notRun are the commands that are not run, by page and beginning, or whole pages; each with the reason.
var notRun = map[string]string{
	"docs/testing.md":   "TestPageShell runs them",
	"docs/load.md":      "TestLoadPage runs them",
	"docs/receiving.md": "TestReceivingPageShell runs them, beside the receivers that the page shows",

	"README.md make demo":                          "CI runs it, and demo.txtar",
	"README.md make test":                          "it would run this test",
	"README.md make build":                         "the test has its own program",
	"README.md go mod":                             "TestOutside does it, in modules of its own",
	"README.md export POSTHORN_SECRET_KEY":         "it is for a broker: TestDispatchers",
	"README.md posthorn serve --data ./data --no-": "it needs a broker: TestDispatchers",
	"README.md posthorn dispatch":                  "it needs a broker: TestDispatchers",
	"docs/transports.md export POSTHORN_SECRET":    "it is for a broker: TestDispatchers",
	"docs/transports.md posthorn":                  "it needs a broker: TestTransportsPageShell parses it",
}

// commandsToRun are the commands of a block that are not in the table.
func commandsToRun(page, block string, used map[string]bool) (left []string) {
	for _, command := range commandsOf(block) {
		listed := false
		for entry := range notRun {
			if entry == page || strings.HasPrefix(page+" "+command, entry) {
				listed, used[entry] = true, true
			}
		}
		if !listed {
			left = append(left, command)
		}
	}
	return left
}

// commandsOf splits a block into its lines, with what is continued in one. $ before a command, and bin/, are not part of it.
func commandsOf(block string) (all []string) {
	console := regexp.MustCompile(`(?m)^\$ `).MatchString(block)
	for line := range strings.Lines(strings.ReplaceAll(block, "\\\n", " ")) {
		line = strings.TrimRight(line, "\n")
		command, prompted := strings.CutPrefix(line, "$ ")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") || console && !prompted {
			continue
		}
		all = append(all, strings.ReplaceAll(command, "bin/posthorn", "posthorn"))
	}
	return all
}

// docPages are the pages that users read, from the root of the repository.
func docPages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(found) < 5 {
		t.Fatalf("docs holds %q: %v", found, err)
	}
	pages := []string{"README.md"}
	for _, path := range found {
		pages = append(pages, "docs/"+filepath.Base(path))
	}
	return pages
}

func docText(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// shellBlocks are the blocks of a page that hold commands.
func shellBlocks(page string) (all []string) {
	for _, found := range regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)\n```$").FindAllStringSubmatch(page, -1) {
		if found[1] == "sh" || found[1] == "bash" || found[1] == "console" {
			all = append(all, found[2])
		}
	}
	return all
}

// TestAdoptingPage: the outbox that the page shows is the one that is tested, in testdata/outside.
func TestAdoptingPage(t *testing.T) {
	t.Parallel()
	const page = "docs/adopting.md"
	tested := docText(t, "testdata/outside/outbox/outbox.go")
	shown := snippetsOf(docText(t, page), "go")
	for _, s := range shown {
		if !strings.Contains(tested, s) {
			t.Errorf("%s shows what no test has:\n%s", page, s)
		}
	}
	if len(shown) != 2 {
		t.Errorf("%s has %d snippets in Go, and this test knows of 2", page, len(shown))
	}
}
