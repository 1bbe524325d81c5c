package sql

// Warnings tell what in a statement can never yield a value, although the language has
// it: a regular expression, a date pattern or the name of a mode that is wrong. AWS makes
// it Undefined when a message comes, and so does this package, but whoever wrote it wants
// to know. A statement without such mistakes has none.
func (s *Statement) Warnings() []*Error { return s.warnings }

// Warnings are those of [Statement.Warnings] for a template.
func (t *Template) Warnings() []*Error { return t.warnings }

// warn notes a warning.
func (c *compiler) warn(at int, format string, args ...any) {
	c.warnings = append(c.warnings, errorAt(c.source, at, format, args...))
}

// always compiles what is the same for all messages, but evaluates its arguments, which
// may fail.
func (c *compiler) always(v Value, args []node) expr {
	list := c.exprs(args)
	return func(r *Run) Value {
		for _, e := range list {
			e(r)
		}
		return v
	}
}

// constantText returns the text of an argument that is a text constant.
func constantText(n *call, i int) (string, bool) {
	if i >= len(n.args) {
		return "", false
	}
	l, ok := n.args[i].(*literal)
	if !ok || l.value.kind != String {
		return "", false
	}
	return l.value.s, true
}
