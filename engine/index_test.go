package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"posthorn/adapters/memstore"
	"posthorn/engine/core"
	"posthorn/ports"
)

// TestIndexUnderManyCompanies changes and asks for webhooks of many more companies than the index holds, in batches as the writer has
// them: a batch sees its own changes, the snapshot does not.
func TestIndexUnderManyCompanies(t *testing.T) {
	t.Parallel()
	const companies, most = 40, 10
	store, index := memstore.New(), newIndex(most)
	random := rand.New(rand.NewPCG(1, 2))
	want := map[string][]string{} // ids by company, oldest first
	seq := uint64(0)
	for range 100 {
		err := store.View(t.Context(), func(r ports.Reader) error {
			index.begin()
			state := core.NewState(r.Get)
			for range 20 {
				company := fmt.Sprintf("c%02d", random.IntN(companies))
				if random.IntN(3) == 0 {
					seq++
					event := change(want, company, seq, random)
					follow(t, index, r, state, company, core.Recorded{Seq: seq, At: time.Unix(int64(seq), 0).UTC(), Event: event})
				}
				got, err := index.company(r, company)
				if err != nil || !slices.Equal(ids(got), want[company]) {
					t.Fatalf("company %s has %v, %v; want %v", company, ids(got), err, want[company])
				}
			}
			puts, deletes, err := state.Changes()
			if err != nil {
				return err
			}
			return store.Apply(context.Background(), ports.Commit{Puts: puts, Deletes: deletes})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	index.begin()
	index.evict()
	if held := held(index); held != index.count || held > most || len(index.companies) != index.recent.Len() {
		t.Errorf("the index holds %d webhooks of %d companies, counts %d, and may hold %d", held, len(index.companies), index.count, most)
	}
}

// change deletes a company's oldest webhook or registers another one.
func change(want map[string][]string, company string, seq uint64, random *rand.Rand) core.Event {
	if held := want[company]; len(held) > 0 && random.IntN(2) == 0 {
		want[company] = held[1:]
		return core.WebhookDeleted{Company: company, Webhook: held[0]}
	}
	id := fmt.Sprintf("wh_%06d", seq)
	want[company] = append(slices.Clip(want[company]), id)
	return core.WebhookRegistered{Company: company, Webhook: id, Settings: core.Settings{URL: "https://receiver.example"}}
}

// follow folds an event, and brings it to the index as a turn does.
func follow(t *testing.T, x *index, r ports.Reader, state *core.State, company string, event core.Recorded) {
	t.Helper()
	if err := state.Fold(event); err != nil {
		t.Fatal(err)
	}
	if _, err := x.company(r, company); err != nil {
		t.Fatal(err)
	}
	_, id, _ := webhookOf(event.Event)
	w, exists, err := state.Webhook(company, id)
	if err != nil {
		t.Fatal(err)
	}
	x.set(company, id, w, exists)
}

func ids(webhooks []core.Webhook) []string {
	var out []string
	for _, w := range webhooks {
		out = append(out, w.ID)
	}
	return out
}

func held(x *index) int {
	n := 0
	for e := x.recent.Front(); e != nil; e = e.Next() {
		n += len(e.Value.(*indexed).webhooks)
	}
	return n
}
