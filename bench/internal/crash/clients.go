package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// seedShare: one candidate of so many goes by the seed's route.
const seedShare = 4

// clients create candidates, or publish the messages of a sequential run. A command that is not answered because of a kill is repeated when
// the server is back: by /v1 with its key, which makes one of both; by the seed's route without one, so that the first may exist beside the
// second, or not.
type clients struct {
	api     *api
	door    *door
	ordered *ordered // nil for candidates
	enough  int
	news    chan struct{} // holds one signal: something was accepted, or a sequential run's command has begun

	mu      sync.Mutex
	next    int  // number of the next one
	relaxed bool // the last kill has fallen
	told    accepted
}

// accepted is what clients were told.
type accepted struct {
	keyed, seed map[string]int // candidate or message -> its number, by route
	maybe       int            // commands by the seed's route that were not answered
}

func (a accepted) count() int { return len(a.keyed) + len(a.seed) }

func newClients(a *api, d *door, o *ordered, enough int) *clients {
	return &clients{
		api: a, door: d, ordered: o, enough: enough, news: make(chan struct{}, 1),
		told: accepted{keyed: map[string]int{}, seed: map[string]int{}},
	}
}

// isSeed says by which route a number goes.
func (c *clients) isSeed(n int) bool { return c.ordered == nil && n%seedShare == 0 }

// create makes one after the other until there are enough and the last kill has fallen.
func (c *clients) create(ctx context.Context) error {
	for n, more := c.take(); more; n, more = c.take() {
		if err := c.ordered.room(ctx, n); err != nil {
			return fmt.Errorf("wait for what was published before message %d: %w", n, err)
		}
		if err := c.insist(ctx, n); err != nil {
			return fmt.Errorf("create number %d: %w", n, err)
		}
	}
	return nil
}

func (c *clients) take() (n int, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next >= c.enough && c.relaxed {
		return 0, false
	}
	c.next++
	return c.next - 1, true
}

// lastKillFell lets the clients end when they have created enough.
func (c *clients) lastKillFell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.relaxed = true
}

// busy is how long a client waits that is told 503.
const busy = 100 * time.Millisecond

// insist repeats a command until it is accepted.
func (c *clients) insist(ctx context.Context, n int) error {
	for {
		life, err := c.door.enter(ctx)
		if err != nil {
			return err
		}
		if c.ordered != nil { // who waits for room more than for answers
			c.signal()
		}
		status, answer, err := c.command(ctx, n)
		if broke := c.door.leave(life, err == nil); broke != nil {
			return fmt.Errorf("%w: %w", broke, err)
		}
		switch {
		case err != nil:
			c.unanswered(n)
		case status == http.StatusServiceUnavailable:
			if err := pause(ctx, busy); err != nil {
				return err
			}
		default:
			return c.accept(n, status, answer)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *clients) command(ctx context.Context, n int) (status int, answer []byte, err error) {
	const person = `"email":"crash-%d@example.com","firstName":"Ada","lastName":"Lovelace"}`
	if c.ordered != nil {
		return c.ordered.publish(ctx, c.api, n)
	}
	if c.isSeed(n) {
		return c.api.ask(ctx, http.MethodPost, "/candidates", "", fmt.Appendf(nil, `{"companyId":%q,`+person, seedCompany, n))
	}
	return c.api.ask(ctx, http.MethodPost, companyPath(keyedCompany)+"/candidates", "candidate-"+strconv.Itoa(n),
		fmt.Appendf(nil, "{"+person, n))
}

func (c *clients) unanswered(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isSeed(n) {
		c.told.maybe++
	}
}

// accept notes the id, which the routes put in different places.
func (c *clients) accept(n, status int, answer []byte) error {
	var said struct {
		ID   string `json:"id"`
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(answer, &said); err != nil || status/100 != 2 || said.ID+said.Data.ID == "" {
		return fmt.Errorf("answered %d without an id: %.300s", status, answer)
	}
	c.mu.Lock()
	if c.isSeed(n) {
		c.told.seed[said.Data.ID] = n
	} else {
		c.told.keyed[said.ID] = n
	}
	c.mu.Unlock()
	c.signal()
	return nil
}

func (c *clients) signal() {
	select {
	case c.news <- struct{}{}:
	default: // the signal is there already
	}
}

// accepted is how many there are so far.
func (c *clients) accepted() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.told.count()
}
