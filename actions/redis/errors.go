package redis

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/thinghub/thinghub/actions"
)

// passing are the codes of answers that say something about the server, not about the
// command.
var passing = []string{
	"ASK", "BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "MOVED", "NOAUTH", "NOGOODSLAVE", "NOMASTERLINK", "NOREPLICAS",
	"OOM", "READONLY", "TRYAGAIN", "UNBLOCKED", "UNKILLABLE", "WRONGPASS",
}

// judge marks an error for good if trying again cannot help. chosen says that the event
// chose the key.
func judge(err error, chosen bool) error {
	var answer goredis.Error
	switch {
	case err == nil || errors.Is(err, goredis.Nil):
		return nil // the command was done, and answered nothing
	case !errors.As(err, &answer):
		return fmt.Errorf("redis: %w", err)
	case strings.HasPrefix(answer.Error(), "NOPERM ") && passes(answer.Error(), chosen):
		return actions.SinkWorks(fmt.Errorf("redis: %w", err)) // what other rules do may be permitted
	case passes(answer.Error(), chosen):
		return fmt.Errorf("redis: %w", err)
	}
	return actions.Permanent(fmt.Errorf("redis: %w", err))
}

func passes(text string, chosen bool) bool {
	code, rest, _ := strings.Cut(text, " ")
	switch {
	case slices.Contains(passing, code):
		return true
	case code == "NOPERM":
		// The command is the rule's; the key or channel may be the event's.
		return !chosen || strings.Contains(rest, "to run the ")
	case code == "EXECABORT":
		return true // by itself: no command of the transaction was at fault
	case code != "ERR":
		return false
	case strings.HasPrefix(rest, "max number of clients"), strings.HasPrefix(rest, "max clients"):
		return true
	}
	// Up to version 6 a script hides the code of the error: ERR Error running script
	// (call to f_...): @user_script:1: -OOM command not allowed ...
	if _, inner, ok := strings.Cut(rest, "@user_script:"); ok {
		_, inner, _ = strings.Cut(inner, ": ")
		_, after, numbered := strings.Cut(inner, ": ") // @user_script: 1: in some
		if _, isCode := strings.CutPrefix(inner, "-"); !isCode && numbered {
			inner = after
		}
		code, _, _ = strings.Cut(strings.TrimPrefix(inner, "-"), " ")
		return slices.Contains(passing, code)
	}
	return false
}

func isPermanent(err error) bool { return errors.Is(err, actions.ErrPermanent) }

// aborted reports whether the server has discarded a transaction as a whole.
func aborted(cmds []*goredis.Cmd) bool {
	return slices.ContainsFunc(cmds, func(c *goredis.Cmd) bool { return goredis.IsExecAbortError(c.Err()) })
}

// refusesMulti reports whether the answer says that there are no transactions: the user
// may not, or a proxy does not know them.
func refusesMulti(err error) bool {
	var answer goredis.Error
	return errors.As(err, &answer) && strings.Contains(strings.ToLower(answer.Error()), "'multi'")
}
