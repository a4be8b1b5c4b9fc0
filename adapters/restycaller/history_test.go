package restycaller_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn"
	"posthorn/adapters/restycaller"
	"posthorn/engine/enginetest"
	"posthorn/ports"
)

// Every hostile target that passes registration has its refusal in the history, with its message: of each class one at least, but for
// those that registration refuses as a whole.
func TestRefusalsAreInTheHistory(t *testing.T) {
	t.Parallel()

	names, trap := startNameServer(t), startTrap(t)
	c := restycaller.NewWatched(restycaller.Options{
		Resolver: names.resolver(), ConnectTimeout: 5 * time.Second, MaxResponse: kept,
	}, onlyHere)
	t.Cleanup(func() { _ = c.Close() }) // always nil

	ph := enginetest.New(t, posthorn.Options{Caller: c})
	classes := map[string]string{} // by webhook

	for _, target := range readHostile(t, trap.port()) {
		if target.class == "redirect" || !registers(target.url) {
			continue
		}

		registered, err := ph.RegisterWebhook(t.Context(), posthorn.NewWebhook{
			Company: "42", URL: target.url, EventTypes: []string{"*"}, Schedule: []time.Duration{},
		})
		if err != nil {
			t.Fatal(err)
		}

		classes[registered.ID] = target.class
	}

	publish(t, ph, len(classes)) // rebinding names are public this time
	message := publish(t, ph, len(classes))
	blocked := map[string]bool{}

	for call, err := range ph.Calls(t.Context(), posthorn.CallQuery{Company: "42", State: posthorn.Failed}) {
		if err != nil {
			t.Fatal(err)
		}

		if call.Message != message {
			continue
		}

		if call.LastClass != ports.ClassBlocked || !strings.Contains(call.LastError, "--allow-target") {
			t.Errorf("%s: class %q (%s), want blocked", classes[call.Webhook], call.LastClass, call.LastError)
		}

		blocked[classes[call.Webhook]] = true
	}

	want := []string{
		"decimal", "delimiters", "hexadecimal", "ipv4 in ipv6", "ipv6", "link-local", "localhost", "loopback", "malformed", "metadata",
		"mixed answers", "names", "octal", "private", "rebinding", "scheme", "shared and reserved", "short", "trailing dots", "unicode",
		"user info",
	}
	if got := slices.Sorted(maps.Keys(blocked)); !slices.Equal(got, want) {
		t.Errorf("refusals in the history are of the classes\n%q, want\n%q", got, want)
	}

	if n := trap.caught(t); n > 0 {
		t.Errorf("%d connections were made", n)
	}
}

// publish tells all webhooks, and waits until their calls have failed.
func publish(t *testing.T, ph *posthorn.Posthorn, calls int) (message string) {
	t.Helper()

	seq, err := ph.LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	m, err := ph.Publish(t.Context(), posthorn.NewMessage{Company: "42", EventType: "a", Data: []byte("1")})
	if err != nil {
		t.Fatal(err)
	}

	for range calls {
		seq = enginetest.Await(t.Context(), t, ph, seq, "CallFailed").Seq
	}

	return m.ID
}
