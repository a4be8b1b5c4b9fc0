package sqs

import (
	"testing"
)

// alone makes the environment that of a machine without any settings of AWS.
func alone(t *testing.T) {
	t.Helper()
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, t.TempDir()+"/none")
	}
}

func TestOpenNeedsARegion(t *testing.T) {
	alone(t)
	_, err := Open(t.Context(), Options{})
	if want := "transport sqs refused: it names no region, and neither do AWS_REGION and the profile; write sqs://us-east-1"; err == nil || err.Error() != want {
		t.Errorf("Open = %v, want %s", err, want)
	}
	t.Setenv("AWS_REGION", "eu-west-3")
	transport, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := transport.client.Options().Region; got != "eu-west-3" {
		t.Errorf("region %s", got)
	}
	if err := transport.Close(); err != nil {
		t.Error(err)
	}
}

// A server of one's own over plain http gets the usual credentials, and without any a placeholder.
func TestCredentialsOverPlainHTTP(t *testing.T) {
	alone(t)
	key := func() string {
		t.Helper()
		transport, err := Open(t.Context(), Options{Region: "us-east-1", Endpoint: "http://127.0.0.1:1"})
		if err != nil {
			t.Fatal(err)
		}
		found, err := transport.client.Options().Credentials.Retrieve(t.Context())
		if err != nil {
			t.Error(err)
		}
		if err := transport.Close(); err != nil {
			t.Error(err)
		}
		return found.AccessKeyID
	}
	if got := key(); got != "posthorn" {
		t.Errorf("without credentials it is %s that signs", got)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "mine")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hidden")
	if got := key(); got != "mine" {
		t.Errorf("%s signs, want the environment's", got)
	}
}
