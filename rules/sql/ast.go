package sql

// A node is an expression of the language.
type node interface{ at() int }

type place int

func (p place) at() int { return int(p) }

type (
	// A literal is a constant.
	literal struct {
		place
		value Value
	}
	// A path is a field of the message or of an element: a name, perhaps with
	// members.
	path struct {
		place
		keys []string
	}
	// A variable is one that SET gives a value.
	variable struct {
		place
		name string
	}
	// A memberOf is a member of what an expression yields.
	memberOf struct {
		place
		of  node
		key string
	}
	// An index is of[key].
	index struct {
		place
		of, key node
	}
	// A star is the whole message.
	star  struct{ place }
	unary struct {
		place
		minus bool // otherwise NOT
		of    node
	}
	operation struct {
		place
		op   operator
		a, b node
	}
	// A list is [a, b, ...].
	list struct {
		place
		items []node
	}
	// A membership is of IN (a, b, ...).
	membership struct {
		place
		of    node
		items []node
		not   bool
	}
	// A between is of BETWEEN low AND high.
	between struct {
		place
		of, low, high node
		not           bool
	}
	// A like is of LIKE pattern.
	like struct {
		place
		of, pattern node
		not         bool
	}
	// An isNothing is of IS NULL.
	isNothing struct {
		place
		of  node
		not bool
	}
	object struct {
		place
		keys   []string
		values []node
	}
	call struct {
		place
		name string // in lower case
		args []node
	}
	cast struct {
		place
		of node
		to Kind
		// double: in the precision of a double.
		double bool
		word   string
	}
	// A choice is CASE of WHEN ... END; of is nil in CASE WHEN condition ... END.
	choice struct {
		place
		of           node
		whens, thens []node
		otherwise    node // nil if there is no ELSE
	}
	// A query is a SELECT over an array or object.
	query struct {
		place
		selection selection
		source    node
		where     node // nil if there is none
	}
)

// A selection is what a SELECT makes.
type selection struct {
	value bool // SELECT VALUE: one item
	items []item
}

// An item is one part of a selection.
type item struct {
	of    node
	alias []string // the key, nested where there are several
	star  bool     // * without AS: all keys of the message
}

// A statement is what a text says.
type statement struct {
	set       []assignment
	selection selection
	filter    string
	hasFrom   bool
	fromPos   int
	where     node
}

// An assignment is one @name = value.
type assignment struct {
	name  string
	value node
}
