package password

import (
	"fmt"
	"time"
)

// Limits say what happens to a user or an address that fails to log in.
type Limits struct {
	// Failures is how many in a row are free; negative for any number.
	Failures int
	// Wait is how long the next attempt is refused, and with each further failure twice
	// as long, up to MaxWait.
	Wait, MaxWait time.Duration
	// Forget is how long after the last failure they are forgotten: by default 15
	// minutes, or MaxWait if that is longer.
	Forget time.Duration
}

// WithDefaults fills in what is zero: failures are free, and the longest wait.
func (l Limits) WithDefaults(failures int, longest time.Duration) Limits {
	if l.Failures == 0 {
		l.Failures = failures
	}
	if l.Wait == 0 {
		l.Wait = time.Second
	}
	if l.MaxWait == 0 {
		l.MaxWait = max(longest, l.Wait)
	}
	if l.Forget == 0 {
		l.Forget = max(15*time.Minute, l.MaxWait)
	}
	return l
}

// Check names the field that is out of bounds, behind where.
func (l Limits) Check(where string) error {
	switch {
	case l.Wait < 0:
		return fmt.Errorf("%s.Wait is %v, expected a time above 0", where, l.Wait)
	case l.MaxWait < l.Wait || l.MaxWait > 24*time.Hour:
		return fmt.Errorf("%s.MaxWait is %v, expected %v to %v", where, l.MaxWait, l.Wait, 24*time.Hour)
	case l.Forget < l.MaxWait:
		return fmt.Errorf("%s.Forget is %v, expected %v or more", where, l.Forget, l.MaxWait)
	}
	return nil
}
