package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

const transportsPage = "../../docs/transports.md"

// TestTransportsPage: what the page shows can be said, and the transport that it shows is the one that is tested, in less than 100 lines.
func TestTransportsPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(transportsPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	const module = "../../testdata/outside/redis/"
	transport, err := os.ReadFile(module + "redis.go")
	if err != nil {
		t.Fatal(err)
	}
	uses, err := os.ReadFile(module + "redis_test.go")
	if err != nil {
		t.Fatal(err)
	}
	shown := snippetsOf(page, "go")
	if len(shown) != 2 || shown[0] != string(transport) || !strings.Contains(string(uses), shown[1]) {
		t.Errorf("%s shows other Go than %s has; copy it there", transportsPage, module)
	}
	if n := strings.Count(string(transport), "\n"); n >= 100 {
		t.Errorf("the transport has %d lines, and less than 100 are promised", n)
	}
	urls := regexp.MustCompile("(kafka|sqs|nats|tls)://[^`\\s]+\\.?").FindAllString(page, -1)
	if len(urls) < 6 {
		t.Errorf("%s shows only the URLs %q", transportsPage, urls)
	}
	for _, u := range urls {
		if err := checkTransport(u); err != nil && !strings.HasSuffix(u, "://") {
			t.Errorf("%s: %v", u, err)
		}
	}
}

// TestTransportsPageShell: its command lines can be given.
func TestTransportsPageShell(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(transportsPage)
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range snippetsOf(string(text), "sh") {
		for line := range strings.Lines(script) {
			if args := strings.Fields(line); len(args) > 0 && args[0] == "posthorn" {
				parse(t, args[1:]...)
			}
		}
	}
}

// TestTransportsPageParameters: the tables name the parameters that there are, and no others.
func TestTransportsPageParameters(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(transportsPage)
	if err != nil {
		t.Fatal(err)
	}
	for title, nonsense := range map[string]string{"Kafka": "kafka://h:1?nonsense=1", "SQS": "sqs://r?nonsense=1", "NATS": "nats://h?nonsense=1"} {
		_, section, ok := strings.Cut(string(text), "\n## "+title+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		refusal := checkTransport(nonsense)
		if !ok || refusal == nil {
			t.Fatalf("%s has a section: %v; %s is refused by: %v", title, ok, nonsense, refusal)
		}
		_, known, _ := strings.Cut(refusal.Error(), "; use ")
		documented := map[string]bool{"create": true}
		for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(section, -1) {
			for _, name := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(row[1], -1) {
				documented[name[1]] = true
			}
		}
		for _, name := range regexp.MustCompile(`[a-z]+`).FindAllString(strings.ReplaceAll(known, " and ", " "), -1) {
			if !documented[name] {
				t.Errorf("%s does not name the parameter %s of %s", transportsPage, name, title)
			}
			delete(documented, name)
		}
		for name := range documented {
			t.Errorf("%s names the parameter %s of %s, which says: %v", transportsPage, name, title, refusal)
		}
	}
}

// checkTransport says what is wrong with a transport's URL.
func checkTransport(raw string) error {
	_, err := transportFlag{raw}.transport()
	return err
}

// snippetsOf are the blocks of a page in one language.
func snippetsOf(page, language string) (all []string) {
	for _, found := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		all = append(all, found[1])
	}
	return all
}
