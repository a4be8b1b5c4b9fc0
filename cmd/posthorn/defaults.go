package main

import (
	"cmp"
	"fmt"
	"time"

	"posthorn"
	"posthorn/engine/core"
)

// defaultFlags are what a webhook gets that does not ask for its own, and when the engine stops calling one.
type defaultFlags struct {
	DefaultSchedule []time.Duration `default:"5s,5m,30m,2h,5h,10h,14h,20h,24h" env:"POSTHORN_DEFAULT_SCHEDULE" help:"Waits between attempts, for webhooks that ask for none." placeholder:"WAIT"` //nolint:lll // a tag
	DefaultTimeout  time.Duration   `default:"15s" env:"POSTHORN_DEFAULT_TIMEOUT" help:"What one attempt may take, for webhooks that do not say."`
	DefaultMaxAge   time.Duration   `default:"0s" env:"POSTHORN_DEFAULT_MAX_AGE" help:"After how long a call ends, for webhooks that do not say; 0s for as long as the schedule."`              //nolint:lll // a tag
	DefaultInFlight int             `default:"0" env:"POSTHORN_DEFAULT_IN_FLIGHT" help:"The most attempts under way at once, for webhooks that do not say, 1 to 64; 0 for 64." placeholder:"N"` //nolint:lll // a tag
	DefaultRate     float64         `default:"0" env:"POSTHORN_DEFAULT_RATE" help:"The most attempts a second, for webhooks that do not say; 0 for no limit." placeholder:"N"`                  //nolint:lll // a tag

	DisableAfter time.Duration `default:"120h" env:"POSTHORN_DISABLE_AFTER" help:"For how long a webhook may fail without one success before it is disabled; 0s for ever."` //nolint:lll // a tag
	NoBreaker    bool          `env:"POSTHORN_NO_BREAKER" help:"Call webhooks as their schedules say, however many of the attempts fail."`
}

// into puts them in the options of an engine. The schedule of the seed route's webhooks is a contract, and stays.
func (f *defaultFlags) into(o *posthorn.Options) error {
	o.Defaults = posthorn.Policy{
		Schedule: f.DefaultSchedule, Timeout: cmp.Or(f.DefaultTimeout, core.DefaultPolicy().Timeout), MaxAge: f.DefaultMaxAge,
		InFlight: f.DefaultInFlight, Rate: f.DefaultRate,
	}
	if err := o.Defaults.Check(); err != nil {
		return exitWith(exitUsage, fmt.Errorf("a default of webhooks is refused: %w", err))
	}
	if f.DisableAfter < 0 {
		return refuse("--disable-after %v is refused: it is negative; give how long a webhook may fail, or 0s for ever", f.DisableAfter)
	}
	o.NoBreaker = f.NoBreaker
	if o.DisableAfter = f.DisableAfter; o.DisableAfter == 0 {
		o.DisableAfter = -1 // none; 0 would be the library's default
	}
	return nil
}
