package sqs

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]Options{
		"sqs://us-east-1":              {Region: "us-east-1"},
		"sqs:":                         {},
		"sqs:?create=false":            {NoCreate: true},
		"sqs://eu-west-3/?create=true": {Region: "eu-west-3"},
		"sqs://us-east-1?endpoint=http://127.0.0.1:9324":            {Region: "us-east-1", Endpoint: "http://127.0.0.1:9324"},
		"sqs://x?endpoint=https%3A%2F%2Fsqs.example%2F&create=0":    {Region: "x", Endpoint: "https://sqs.example/", NoCreate: true},
		"sqs://x?endpoint=http%3A%2F%2Fh%3Fa%3D1%26b%3D2&create=No": {},
	} {
		got, err := ParseURL(raw)
		if refused := strings.HasSuffix(raw, "No"); err != nil != refused || !refused && got != want {
			t.Errorf("ParseURL(%s) = %+v, %v, want %+v", raw, got, err, want)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"kafka://x":                              `its scheme is "kafka"; begin it with sqs:`,
		"sqs://id:hidden@us-east-1":              "it has credentials; give them by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile, as for any program of AWS",
		"sqs://us-east-1/hidden":                 "it has more than a region and parameters; write sqs://us-east-1, and a server's address as endpoint=",
		"sqs://127.0.0.1:9324":                   "it has more than a region and parameters; write sqs://us-east-1, and a server's address as endpoint=",
		"sqs://x?create=perhaps":                 `create is "perhaps"; write create=true or create=false`,
		"sqs://x?create=true&create=false":       `it has the parameter "create" more than once; give it once`,
		"sqs://x?queue=hidden":                   `it has the parameter "queue"; use endpoint and create`,
		"sqs://x?endpoint=%zz":                   "its parameters are ill-formed; separate them by &, and escape what is no letter",
		"sqs://x?endpoint=127.0.0.1:9324":        "its endpoint is no http or https URL of a host without credentials; write endpoint=http://127.0.0.1:9324",
		"sqs://x?endpoint=http://id:hidden@host": "its endpoint is no http or https URL of a host without credentials; write endpoint=http://127.0.0.1:9324",
		"sqs://hidden\x7f":                       "it is no URL; write sqs://us-east-1?endpoint=http://127.0.0.1:9324",
	} {
		_, err := ParseURL(raw)
		if err == nil || err.Error() != "transport sqs refused: "+want || strings.Contains(err.Error(), "hidden") {
			t.Errorf("ParseURL(%q) = %v, want %s", raw, err, want)
		}
	}
}

func TestQueueName(t *testing.T) {
	t.Parallel()
	for topic, want := range map[string]string{
		"posthorn.tasks":            "posthorn-tasks",
		"my_co.ph_01H.outcomes":     "my_co-ph_01H-outcomes",
		"posthorn.inbox.rejected":   "posthorn-inbox-rejected",
		"":                          "",
		"a/b":                       "",
		"käse.tasks":                "",
		strings.Repeat("n", 81):     "",
		strings.Repeat("n.", 40):    strings.Repeat("n-", 40),
		"posthorn.tasks with space": "",
	} {
		got, err := queueName(topic)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("queueName(%q) = %q, %v, want %q", topic, got, err, want)
		}
	}
}
