package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"posthorn/harness"
)

const receivingPage = "../../docs/receiving.md"

// A verifier is a snippet of the page: the file that it is put in, and the program of testdata/receiving that lets it judge.
type verifier struct {
	language, file, program string
	needs                   []string
	run                     string
}

var verifiers = []verifier{
	{"go", "receiver/receiver.go", "main.go", nil, "GOFLAGS= GOWORK=off go run ."},
	{"python", "receiver.py", "main.py", []string{"python3"}, "python3 -B main.py"},
	{"js", "receiver.mjs", "main.mjs", []string{"node"}, "node main.mjs"},
	{"java", "Webhooks.java", "Main.java", []string{"java", "javac"}, "javac -d . Main.java Webhooks.java && java -cp . Main"},
	{"bash", "receiver.sh", "main.sh", []string{"bash", "openssl", "od"}, "bash main.sh"},
}

// TestReceivingPageSnippets: what the page shows in each language accepts true calls and refuses all others. The signatures are made by the
// reference library of the standard, so that nothing of ours judges itself.
func TestReceivingPageSnippets(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(receivingPage)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range verifiers {
		t.Run(v.language, func(t *testing.T) {
			t.Parallel()
			shown := snippetsOf(string(page), v.language)
			if len(shown) != 1 {
				t.Fatalf("%s has %d snippets in %s, and this test knows of 1", receivingPage, len(shown), v.language)
			}
			for _, program := range v.needs {
				if _, err := exec.LookPath(program); err != nil {
					t.Skipf("%s is not on this machine", program)
				}
			}
			v.judges(t, shown[0])
		})
	}
}

// judges lets a snippet judge all cases, and compares.
func (v verifier) judges(t *testing.T, snippet string) {
	t.Helper()
	dir := v.lay(t, snippet)
	secret, cases := receivedCalls(t, time.Now())
	var in, want strings.Builder
	for _, c := range cases {
		fmt.Fprintf(&in, "%s|%s|%s|%s\n", c.id, c.timestamp, c.signatures, base64.StdEncoding.EncodeToString([]byte(c.body)))
		fmt.Fprintln(&want, c.verdict)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", v.run)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, append(os.Environ(), "SECRET="+secret), strings.NewReader(in.String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ended with %v and said\n%s", err, out)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(got) != len(cases) {
		t.Fatalf("%d answers to %d calls:\n%s", len(got), len(cases), out)
	}
	for i, c := range cases {
		if got[i] != c.verdict {
			t.Errorf("%s: %s, want %s", c.name, got[i], c.verdict)
		}
	}
}

// lay puts the snippet beside its program.
func (v verifier) lay(t *testing.T, snippet string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, file := range []string{"go.mod", v.program} {
		text, err := os.ReadFile("../../testdata/receiving/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, v.file)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(snippet), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A receivedCall is what came, and what a receiver should make of it.
type receivedCall struct{ name, verdict, id, timestamp, signatures, body string }

// receivedCalls are true calls and others, for the holder of a secret. Times are far from the limit of 300 s, for machines are slow.
func receivedCalls(t *testing.T, now time.Time) (secret string, cases []receivedCall) {
	t.Helper()
	const (
		accepted, refused = "accepted", "refused"
		id                = "msg_01KAR1QZ8M4E2T0F5X6B7C9D3G"
		body              = "{\"n\": 1.50, \"name\": \"Ren\u00e9\\u00e9\",\r\n \"not UTF-8\": \"\xff\x00\"}\n\n"
	)
	secret, own := signerOf(t, 37)
	_, other := signerOf(t, 41)
	at := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	good, foreign := own(id, now, body), other(id, now, body)
	digest := strings.TrimPrefix(good, "v1,")
	early, late := now.Add(-200*time.Second), now.Add(200*time.Second)
	old, ahead := now.Add(-400*time.Second), now.Add(400*time.Second)
	return secret, []receivedCall{
		{"as sent", accepted, id, at(0), good, body},
		{"an empty body", accepted, id, at(0), own(id, now, ""), ""},
		{"rotated, the second fits", accepted, id, at(0), foreign + " " + good, body},
		{"rotated, the first fits", accepted, id, at(0), good + " " + foreign, body},
		{"behind other versions", accepted, id, at(0), "v1a," + digest + " v2,x " + good, body},
		{"200 s old", accepted, id, at(-200 * time.Second), own(id, early, body), body},
		{"200 s ahead", accepted, id, at(200 * time.Second), own(id, late, body), body},
		{"400 s old", refused, id, at(-400 * time.Second), own(id, old, body), body},
		{"400 s ahead", refused, id, at(400 * time.Second), own(id, ahead, body), body},
		{"a byte changed", refused, id, at(0), good, strings.Replace(body, "1.50", "1.51", 1)},
		{"a byte less", refused, id, at(0), good, strings.TrimSuffix(body, "\n")},
		{"a byte more", refused, id, at(0), good, body + " "},
		{"another id", refused, "msg_2", at(0), good, body},
		{"another time", refused, id, at(-time.Second), good, body},
		{"another secret", refused, id, at(0), foreign, body},
		{"other versions only", refused, id, at(0), "v1a," + digest + " v2," + digest, body},
		{"no version", refused, id, at(0), digest, body},
		{"half a signature", refused, id, at(0), good[:20], body},
		{"more than a signature", refused, id, at(0), good + "A", body},
		{"nothing signed", refused, id, at(0), "v1, v2,", body},
		{"no signature", refused, id, at(0), "", body},
		{"no timestamp", refused, id, "", good, body},
		{"no number", refused, id, "today", good, body},
		{"too large a number", refused, id, "99999999999999999999", good, body},
		{"more than a number", refused, id, at(0) + "0x", good, body},
	}
}

// signerOf makes a secret of 64 bytes, all of them other, and what signs with it.
func signerOf(t *testing.T, step byte) (secret string, sign func(id string, at time.Time, body string) string) {
	t.Helper()
	key := make([]byte, 64)
	for i := range key {
		key[i] = byte(i) * step
	}
	secret = "whsec_" + base64.StdEncoding.EncodeToString(key)
	reference, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	return secret, func(id string, at time.Time, body string) string {
		signature, err := reference.Sign(id, at, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
}

// TestReceivingPageShell: the call that the page makes by hand is taken for a true one.
func TestReceivingPageShell(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not on this machine")
	}
	page, err := os.ReadFile(receivingPage)
	if err != nil {
		t.Fatal(err)
	}
	shown := snippetsOf(string(page), "sh")
	if len(shown) != 1 {
		t.Fatalf("%s has %d snippets in sh, and this test knows of 1", receivingPage, len(shown))
	}
	_, secret, _ := strings.Cut(shown[0], "POSTHORN_WEBHOOK_SECRET=")
	secret, _, _ = strings.Cut(secret, "\n")
	receiver := harness.NewReceiver(t, harness.Options{Secret: secret})
	receiver.Expect("msg_1")
	out, err := shell(t, strings.ReplaceAll(shown[0], "http://127.0.0.1:3000", receiver.URL()))
	if err != nil || !strings.Contains(string(out), "valid: v1 signature 1 of 1") {
		t.Errorf("ended with %v and said\n%s", err, out)
	}
}
