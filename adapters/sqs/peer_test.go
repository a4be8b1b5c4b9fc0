package sqs

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// A peer is SQS as a test scripts it, without a socket, so that it works in a bubble: its time is exact. What the script does not
// answer (nil) is answered as by a queue that is there and empty.
type peer struct {
	script func(r request) any // a refusal, or what is sent as JSON

	mu   sync.Mutex
	seen []request
}

// A request is what the peer was asked: an operation and its input.
type request struct {
	Op         string            `json:"-"`
	At         time.Time         `json:"-"`
	Done       chan struct{}     `json:"-"` // closed when nobody waits for the answer
	QueueName  string            `json:"QueueName"`
	Attributes map[string]string `json:"Attributes"`
	Entries    []struct {
		ID                string `json:"Id"`
		ReceiptHandle     string `json:"ReceiptHandle"`
		VisibilityTimeout int    `json:"VisibilityTimeout"`
	} `json:"Entries"`
}

// wait lets a while pass, but not when nobody waits for the answer any more.
func (r request) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Done:
	}
}

// A refusal is an error that SQS answers, by its code.
type refusal string

// Do implements the HTTP client of the SDK.
func (p *peer) Do(h *http.Request) (*http.Response, error) {
	r := request{Op: strings.TrimPrefix(h.Header.Get("X-Amz-Target"), "AmazonSQS."), At: time.Now(), Done: make(chan struct{})}
	if err := json.NewDecoder(h.Body).Decode(&r); err != nil {
		return nil, err
	}
	defer close(r.Done)
	p.mu.Lock()
	p.seen = append(p.seen, r)
	p.mu.Unlock()

	answered := make(chan any, 1)
	go func() { answered <- p.answer(r) }() // ends soon after the request, for scripts wait by r.wait
	select {
	case answer := <-answered:
		status := http.StatusOK
		if code, refused := answer.(refusal); refused {
			status, answer = http.StatusBadRequest, map[string]string{"__type": "com.amazonaws.sqs#" + string(code), "message": "the script says so"}
		}
		body, err := json.Marshal(answer)
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(body))), Request: h}, err
	case <-h.Context().Done():
		return nil, h.Context().Err()
	}
}

func (p *peer) answer(r request) any {
	if p.script != nil {
		if answer := p.script(r); answer != nil {
			return answer
		}
	}
	switch r.Op {
	case "GetQueueUrl":
		return map[string]any{"QueueUrl": "http://peer/1/" + r.QueueName}
	case "ReceiveMessage":
		r.wait(pollWait)
	case "SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch":
		return map[string]any{"Successful": succeeded(r)}
	}
	return map[string]any{}
}

// succeeded are the results of all entries.
func succeeded(r request) []map[string]string {
	var all []map[string]string
	for _, e := range r.Entries {
		all = append(all, map[string]string{"Id": e.ID, "MessageId": e.ID})
	}
	return all
}

// received is an answer of messages with these bodies, whose receipt handles are the bodies too.
func received(bodies ...string) any {
	var all []map[string]string
	for _, b := range bodies {
		all = append(all, map[string]string{"MessageId": "id of " + b, "ReceiptHandle": b, "Body": b})
	}
	return map[string]any{"Messages": all}
}

// requests are what the peer was asked so far of one operation.
func (p *peer) requests(op string) []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []request
	for _, r := range p.seen {
		if r.Op == op {
			all = append(all, r)
		}
	}
	return all
}

// talkTo makes a transport to the peer.
func talkTo(t *testing.T, p *peer, o Options) *Transport {
	t.Helper()
	transport := newTransport(o, sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://peer"), HTTPClient: p,
		Credentials:                      credentials.NewStaticCredentialsProvider("id", "key", ""),
		DisableMessageChecksumValidation: true,
	}), func() {})
	t.Cleanup(func() { _ = transport.Close() })
	return transport
}

// handles are the receipt handles in some requests, with the postponement of each.
func handles(start time.Time, all []request) string {
	var said []string
	for _, r := range all {
		for _, e := range r.Entries {
			said = append(said, fmt.Sprintf("%s:%d@%v", e.ReceiptHandle, e.VisibilityTimeout, r.At.Sub(start).Truncate(time.Second)))
		}
	}
	return strings.Join(said, " ")
}
