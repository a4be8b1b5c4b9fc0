package sqs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"posthorn/ports"
)

// What is handled for long is kept from others; it is deleted after Ack, and given back after Nack.
func TestKeepsWhatIsHandled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		p := &peer{script: func(r request) any {
			if r.Op == "ReceiveMessage" && asked.Add(1) == 1 {
				return received("kept", "refused", "short")
			}
			return nil
		}}
		transport, start := talkTo(t, p, Options{}), time.Now()
		messages, err := transport.Subscribe(t.Context(), "topic")
		if err != nil {
			t.Fatal(err)
		}
		first, second, short := <-messages, <-messages, <-messages
		short.Ack()
		time.Sleep(15 * time.Second)
		second.Nack()
		time.Sleep(30 * time.Second)
		first.Ack()
		synctest.Wait()

		if got, want := handles(start, p.requests("ChangeMessageVisibilityBatch")), "refused:0@15s"; !strings.Contains(got, want) {
			t.Errorf("postponed %s, want %s", got, want)
		}
		for _, want := range []string{"kept:30@10s", "refused:30@10s", "kept:30@20s", "kept:30@30s", "kept:30@40s"} {
			if got := handles(start, p.requests("ChangeMessageVisibilityBatch")); strings.Count(got, want) != 1 || strings.Count(got, ":30@") != 5 {
				t.Errorf("postponed %s, want %s and five in all", got, want)
			}
		}
		if got := handles(start, p.requests("DeleteMessageBatch")); got != "short:0@0s kept:0@45s" {
			t.Errorf("deleted %s", got)
		}
	})
}

func TestPublishGivesUpAfterFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &peer{script: func(r request) any {
			if r.Op == "SendMessageBatch" {
				r.wait(time.Hour)
			}
			return nil
		}}
		transport, start := talkTo(t, p, Options{}), time.Now()
		err := transport.Publish("topic", message.NewMessage("1", nil))
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != requestWait {
			t.Errorf("Publish = %v after %v", err, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = transport.Publish("topic", message.NewMessageWithContext(ctx, "2", nil))
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != requestWait+time.Second {
			t.Errorf("Publish with a context of 1s = %v after %v", err, took)
		}
	})
}

// While the first request is under way others gather, and one that nobody waits for is not sent.
func TestPublishesShareRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &peer{script: func(r request) any {
			if r.Op == "SendMessageBatch" {
				r.wait(time.Second)
			}
			return nil
		}}
		transport := talkTo(t, p, Options{})
		ended := make(chan error, 10)
		publish := func(ctx context.Context, id string) {
			ended <- transport.Publish("topic", message.NewMessageWithContext(ctx, id, []byte(id)))
		}
		go publish(t.Context(), "first")
		synctest.Wait()
		brief, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		go publish(brief, "brief")
		synctest.Wait()
		for i := range 8 {
			go publish(t.Context(), fmt.Sprint(i))
		}
		failed := 0
		for range 10 {
			if err := <-ended; err != nil {
				failed++
			}
		}
		var sizes []int
		for _, r := range p.requests("SendMessageBatch") {
			sizes = append(sizes, len(r.Entries))
		}
		if got := fmt.Sprint(sizes, failed); got != "[1 8] 1" {
			t.Errorf("requests with so many messages, and failures: %s", got)
		}
	})
}

func TestPublishTellsWhatWasRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &peer{script: func(r request) any {
			if r.Op == "SendMessageBatch" {
				return map[string]any{
					"Successful": succeeded(r)[:1],
					"Failed":     []map[string]any{{"Id": "1", "Code": "InternalError", "Message": "come again", "SenderFault": false}},
				}
			}
			return nil
		}}
		transport := talkTo(t, p, Options{})
		err := transport.Publish("topic", message.NewMessage("1", nil), message.NewMessage("2", nil))
		want := "publish 2 messages to queue topic: SQS refused it: InternalError: come again"
		if err == nil || err.Error() != want {
			t.Errorf("Publish = %v, want %s", err, want)
		}
		if err := transport.Publish("topic", message.NewMessage("1", nil)); err != nil {
			t.Errorf("Publish of one = %v", err)
		}
	})
}

// A queue that takes less than 1 MiB is named with its limit, which may be raised while we run.
func TestLimitOfAnOlderQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var raised atomic.Bool
		p := &peer{script: func(r request) any {
			if r.Op == "GetQueueAttributes" && !raised.Load() {
				return map[string]any{"Attributes": map[string]string{"MaximumMessageSize": "262144"}}
			}
			return nil
		}}
		transport := talkTo(t, p, Options{})
		large := message.NewMessage("7", []byte(strings.Repeat("x", 262_130)))
		err := transport.Publish("topic", large)
		want := "publish 1 messages to queue topic: message 7 refused: it has 262148 bytes with its attributes, " +
			"and queue topic takes 262144; raise the queue's MaximumMessageSize, up to 1048576: too large"
		if err == nil || err.Error() != want || !errors.Is(err, ports.ErrTooLarge) {
			t.Errorf("Publish = %v, want %s", err, want)
		}
		raised.Store(true)
		if err := transport.Publish("topic", large); err != nil {
			t.Errorf("after the limit was raised: %v", err)
		}
	})
}

// A queue that was there is not made again at once: a server that has just started may not know it yet.
func TestGoneQueueIsMadeAgainAfterAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		p := &peer{}
		p.script = func(r request) any {
			switch {
			case r.Op == "CreateQueue":
				gone.Store(false)
			case gone.Load():
				return refusal("QueueDoesNotExist")
			}
			return nil
		}
		transport := talkTo(t, p, Options{})
		publish := func() error { return transport.Publish("topic", message.NewMessage("1", nil)) }
		if err := publish(); err != nil {
			t.Fatal(err)
		}
		gone.Store(true)
		for range 2 {
			if err := publish(); err == nil {
				t.Error("published to a queue that is gone")
			}
		}
		if n := len(p.requests("CreateQueue")); n != 0 {
			t.Errorf("made the queue %d times at once", n)
		}
		if err := transport.Health(t.Context()); !errors.Is(err, errMissing) {
			t.Errorf("Health = %v, want that it is missing", err)
		}
		time.Sleep(settle + time.Millisecond)
		if err := publish(); err != nil {
			t.Errorf("after a while: %v", err)
		}
		made := p.requests("CreateQueue")
		if len(made) != 1 || fmt.Sprint(made[0].Attributes) != "map[MaximumMessageSize:1048576 MessageRetentionPeriod:1209600 VisibilityTimeout:30]" {
			t.Errorf("made %v", made)
		}
	})
}

// A consumer that acknowledges nothing gets what may be under way, and more as soon as it does.
func TestAtMost256AreUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		p := &peer{script: func(r request) any {
			if r.Op != "ReceiveMessage" {
				return nil
			}
			bodies := make([]string, 10)
			for i := range bodies {
				bodies[i] = fmt.Sprint(n.Add(1))
			}
			r.wait(10 * time.Millisecond)
			return received(bodies...)
		}}
		transport := talkTo(t, p, Options{})
		messages, err := transport.Subscribe(t.Context(), "topic")
		if err != nil {
			t.Fatal(err)
		}
		var held []*message.Message
		take := func() {
			for {
				select {
				case m := <-messages:
					held = append(held, m)
				case <-time.After(time.Minute):
					return
				}
			}
		}
		take()
		if len(held) != 250 { // requests ask for ten
			t.Errorf("%d messages under way", len(held))
		}
		for _, m := range held[:20] {
			m.Ack()
		}
		take()
		if len(held) != 270 {
			t.Errorf("%d messages came after 20 were acknowledged, want 270", len(held))
		}
	})
}

// Close gives back what nobody has answered for, and what nobody took.
func TestCloseGivesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		p := &peer{script: func(r request) any {
			if r.Op == "ReceiveMessage" && asked.Add(1) == 1 {
				return received("taken", "2", "3", "4", "5", "6", "7", "8", "9", "10") // a full request: a second one begins
			}
			return nil
		}}
		transport, start := talkTo(t, p, Options{}), time.Now()
		messages, err := transport.Subscribe(t.Context(), "topic")
		if err != nil {
			t.Fatal(err)
		}
		m := <-messages
		synctest.Wait() // the second request waits
		for range 2 {
			if err := transport.Close(); err != nil {
				t.Error(err)
			}
		}
		<-m.Context().Done()
		if _, open := <-messages; open {
			t.Error("the subscription has not ended")
		}
		got := handles(start, p.requests("ChangeMessageVisibilityBatch"))
		if !strings.Contains(got, "taken:0@2s") || strings.Count(got, ":0@2s") != 10 || strings.Count(got, "@") != 10 {
			t.Errorf("gave back %q, want all ten when no request waits any more", got)
		}
		if err := transport.Publish("topic", m); !errors.Is(err, ports.ErrClosed) {
			t.Errorf("Publish = %v", err)
		}
		if _, err := transport.Subscribe(t.Context(), "topic"); !errors.Is(err, ports.ErrClosed) {
			t.Errorf("Subscribe = %v", err)
		}
	})
}

// Close waits for acknowledgements under way, but not for each of those behind them.
func TestCloseOfAHangingServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &peer{script: func(r request) any {
			switch r.Op {
			case "ReceiveMessage":
				return received("1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
			case "DeleteMessageBatch":
				r.wait(time.Hour)
			}
			return nil
		}}
		transport := talkTo(t, p, Options{})
		messages, err := transport.Subscribe(t.Context(), "topic")
		if err != nil {
			t.Fatal(err)
		}
		for range 250 {
			m := <-messages
			m.Ack()
		}
		start := time.Now()
		if err := transport.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > requestWait {
			t.Errorf("Close took %v", took)
		}
	})
}

// A request that waits for messages longer than it was asked to is cut off at the end.
func TestCloseCutsOffARequestThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &peer{script: func(r request) any {
			if r.Op == "ReceiveMessage" {
				r.wait(time.Hour)
			}
			return nil
		}}
		transport := talkTo(t, p, Options{})
		if _, err := transport.Subscribe(t.Context(), "topic"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		start := time.Now()
		if err := transport.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != pollWait+lastMoment {
			t.Errorf("Close took %v", took)
		}
	})
}

// While SQS is away a subscription asks again and again, ever less often, and the log tells each change once.
func TestTellsEachChangeOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		away.Store(true)
		p := &peer{script: func(r request) any {
			switch {
			case away.Load():
				return refusal("ServiceUnavailable")
			case r.Op == "ReceiveMessage" && r.At.Second() < 5:
				return received("back")
			}
			return nil
		}}
		var log strings.Builder
		transport := talkTo(t, p, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		messages, err := transport.Subscribe(t.Context(), "topic")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(p.requests("GetQueueUrl")); n < 30 || n > 40 {
			t.Errorf("asked %d times in a minute, want about one each 2s", n)
		}
		away.Store(false)
		m := <-messages
		m.Ack()
		if err := transport.Close(); err != nil {
			t.Error(err)
		}
		if strings.Count(log.String(), "level=WARN") != 1 || strings.Count(log.String(), "works again") != 1 || strings.Count(log.String(), "\n") != 2 {
			t.Errorf("the log is\n%s", log.String())
		}
	})
}
