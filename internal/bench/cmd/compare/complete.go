//go:build linux

package main

import "fmt"

// complete says what a run lacks: what a broker refuses, loses or does not get round to
// makes it look cheap.
func complete(r row) error {
	if e, ok := r["error"].(string); ok {
		return fmt.Errorf("the load generator failed: %s", e)
	}
	for _, k := range []string{"lost", "dup", "out_of_order", "misrouted", "unacked", "closed_by_broker", "stalled", "timed_out"} {
		if n := num(r, k); n > 0 || n < 0 {
			return fmt.Errorf("incomplete: %s is %g of %g expected", k, n, num(r, "expected"))
		}
	}
	if n := num(r, "delivered"); !(n > 0) || n != num(r, "expected") {
		return fmt.Errorf("incomplete: %g delivered of %g expected", n, num(r, "expected"))
	}
	return nil
}
