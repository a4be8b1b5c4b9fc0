package engine

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	mathrand "math/rand/v2"
	"time"

	"github.com/oklog/ulid/v2"

	"posthorn/engine/core"
)

// inputs makes what the core must not make itself. It belongs to the writer's goroutine. Every id carries the time of the batch,
// and grows from one to the next.
type inputs struct {
	clock   *clock
	now     time.Time
	random  io.Reader
	entropy *ulid.MonotonicEntropy
	jitter  *mathrand.Rand
}

// newInputs draws from random; it is crypto/rand but in tests that must be repeatable.
func newInputs(random io.Reader, clock *clock) *inputs {
	if random == nil {
		random = rand.Reader
	}
	var seed [32]byte
	mustRead(random, seed[:])
	return &inputs{
		clock: clock, random: random, entropy: ulid.Monotonic(random, 0),
		jitter: mathrand.New(mathrand.NewChaCha8(seed)), //nolint:gosec // ChaCha8, seeded from random
	}
}

// ID implements core.Inputs.
func (in *inputs) ID(prefix string) string {
	ms := ulid.Timestamp(in.now)
	id, err := ulid.New(ms, in.entropy)
	if err != nil {
		// 2^80 ids in one millisecond are not reached: the monotonic random part began too near its end. Begin anew.
		in.entropy = ulid.Monotonic(in.random, 0)
		id = ulid.MustNew(ms, in.entropy)
	}
	return prefix + id.String()
}

// Salt implements core.Inputs.
func (in *inputs) Salt() (salt [core.SaltBytes]byte) {
	binary.LittleEndian.PutUint64(salt[:8], in.jitter.Uint64())
	binary.LittleEndian.PutUint64(salt[8:], in.jitter.Uint64())
	return salt
}

// secretOr returns the secret that was given, or a random one.
func (in *inputs) secretOr(given string) string {
	if given != "" {
		return given
	}
	var raw [core.SecretBytes]byte
	mustRead(in.random, raw[:])
	return core.NewSecret(raw)
}

// mustRead panics where the system has no randomness: nothing safe can be done without.
func mustRead(random io.Reader, into []byte) {
	if _, err := io.ReadFull(random, into); err != nil {
		panic("no randomness: " + err.Error())
	}
}
