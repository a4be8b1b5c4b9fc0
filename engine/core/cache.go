package core

// A Cache remembers rows as the last batches left them: a call that is accepted now has its outcome soon, and neither its row nor its
// webhook's need be read and parsed for it. It belongs to who commits the batches, and must be forgotten when a commit fails.
type Cache struct {
	young, old map[string]any
	most       int
}

// NewCache returns a cache of at most twice most rows.
func NewCache(most int) *Cache {
	return &Cache{young: map[string]any{}, old: map[string]any{}, most: most}
}

// Forget empties the cache.
func (c *Cache) Forget() { c.young, c.old = map[string]any{}, map[string]any{} }

func (c *Cache) get(k []byte) (any, bool) {
	if row, ok := c.young[string(k)]; ok {
		return row, true
	}
	row, ok := c.old[string(k)]
	return row, ok
}

// Remember takes over the rows of a batch that has been committed. The state must not be used any more.
func (c *Cache) Remember(s *State) {
	for k, cell := range s.cells {
		_, read := cell.row.(*webhookRow) // as it was is worth as much as changed
		if !cell.dirty && !read {
			continue
		}
		delete(c.old, k)
		delete(c.young, k)
		if readSoon(cell.row) {
			c.young[k] = cell.row
		}
	}
	if len(c.young) > c.most {
		c.young, c.old = map[string]any{}, c.young
	}
}

func readSoon(row any) bool {
	switch row := row.(type) {
	case *callRow:
		return row.State.Open()
	case *webhookRow:
		return true
	}
	return false
}
