package harness_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"posthorn/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// newClient is a client of its own, whose connections end with the test.
func newClient(tb testing.TB) *http.Client {
	tb.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// soon bounds every wait of these tests.
func soon(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Second)
	tb.Cleanup(cancel)
	return ctx
}

// start is a receiver that does not fail the test for what it was sent.
func start(tb testing.TB, o harness.Options) *harness.Receiver {
	tb.Helper()
	r, err := harness.Start(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = r.Close() })
	return r
}

// request is a POST with a message id and the signature that the reference library makes for it.
func request(tb testing.TB, url, id, body string, signedAt time.Time) *http.Request {
	tb.Helper()
	req, err := http.NewRequestWithContext(soon(tb), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	judge, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		tb.Fatal(err)
	}
	signature, err := judge.Sign(id, signedAt, []byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	req.Header.Set(standardwebhooks.HeaderWebhookID, id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, seconds(signedAt))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return req
}

// An answer is what a sender sees of a response.
type answer struct {
	status int
	header http.Header
	body   string
}

func do(tb testing.TB, c *http.Client, req *http.Request) answer {
	tb.Helper()
	got, err := exchange(c, req)
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

// exchange returns what came of an answer, with the error that ended it early.
func exchange(c *http.Client, req *http.Request) (answer, error) {
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body)}, errors.Join(err, resp.Body.Close())
}

func send(tb testing.TB, c *http.Client, url, id string) (status int) {
	tb.Helper()
	return do(tb, c, request(tb, url, id, `{"n":1}`, time.Now())).status
}
