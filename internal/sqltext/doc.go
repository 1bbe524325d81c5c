// Package sqltext reads the SQL texts of the actions that write to databases, and the
// values that they bind.
//
// A statement of such an action has substitution templates, ${...}, where values stand.
// [Split] cuts it at them, so that each becomes a bound parameter; it refuses them where
// no parameter can stand, as in a literal. The rest is about values: they come as JSON,
// and databases want texts, numbers and times.
package sqltext
