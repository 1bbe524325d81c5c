package provision

import (
	"fmt"
	"strconv"
	"strings"
)

// A text is something in a template that becomes text; a list becomes several.
type (
	text interface {
		text(e *evaluation) (string, error)
	}
	list interface {
		list(e *evaluation) ([]string, error)
	}
)

// The functions of templates.
type (
	literal string
	items   []text
	ref     string
	join    struct {
		separator text
		of        list
	}
	choose struct {
		index text
		of    list
	}
	find  struct{ table, key, name text }
	split struct{ separator, of text }
	// substitute is pieces in a row: literals, and what stands for ${Name}.
	substitute []text
)

const (
	wantText = "text, or one of the functions Ref, Fn::Join, Fn::Select, Fn::FindInMap and Fn::Sub"
	wantList = "an array of texts, or the function Fn::Split"
)

// function returns the name and the argument if n is the call of a function: an object
// with one member whose name is that of one. Any name with Fn:: counts, so that a
// mistake in it is found.
func function(n *node) (name string, argument *node, ok bool) {
	if n.kind != '{' || len(n.members) != 1 {
		return "", nil, false
	}
	m := &n.members[0]
	return m.name, &m.value, m.name == "Ref" || strings.HasPrefix(m.name, "Fn::")
}

// text reads what must become text. path says where it stands.
func (t *Template) text(n *node, path string) (text, error) {
	if n.kind == '"' {
		return literal(n.text), nil
	}
	name, argument, ok := function(n)
	if !ok {
		return nil, amiss(path, n.what(), wantText)
	}
	path += "." + name
	switch name {
	case "Ref":
		if argument.kind != '"' {
			return nil, amiss(path, argument.what(), "the name of a parameter")
		}
		return t.reference(argument.text, path)
	case "Fn::Join":
		return t.join(argument, path)
	case "Fn::Select":
		return t.choose(argument, path)
	case "Fn::FindInMap":
		return t.find(argument, path)
	case "Fn::Sub":
		return t.substitute(argument, path)
	}
	return nil, amiss(path, "there", wantText)
}

// list reads what must become several texts.
func (t *Template) list(n *node, path string) (list, error) {
	if n.kind == '[' {
		l := make(items, len(n.items))
		for i := range n.items {
			var err error
			if l[i], err = t.text(&n.items[i], fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return nil, err
			}
		}
		return l, nil
	}
	name, argument, ok := function(n)
	if !ok || name != "Fn::Split" {
		return nil, amiss(path, n.what(), wantList)
	}
	path += "." + name
	args, err := arguments(argument, path, 2, `["separator", "text"]`)
	if err != nil {
		return nil, err
	}
	var f split
	if f.separator, err = t.text(&args[0], path+"[0]"); err != nil {
		return nil, err
	}
	if f.separator == literal("") {
		return nil, amiss(path+"[0]", `""`, "a separator")
	}
	f.of, err = t.text(&args[1], path+"[1]")
	return f, err
}

func arguments(n *node, path string, count int, want string) ([]node, error) {
	if n.kind != '[' {
		return nil, amiss(path, n.what(), want)
	}
	if len(n.items) != count {
		return nil, amiss(path, fmt.Sprintf("an array of %d", len(n.items)), want)
	}
	return n.items, nil
}

// reference is the use of a parameter, which must be declared.
func (t *Template) reference(name, path string) (text, error) {
	if _, ok := t.defaults[name]; !ok && name != certificateID {
		return nil, wrong(ErrInvalid, path, name, "the name of a parameter that the template declares")
	}
	t.used[name] = true
	return ref(name), nil
}

func (t *Template) join(argument *node, path string) (text, error) {
	args, err := arguments(argument, path, 2, `["separator", [texts]]`)
	if err != nil {
		return nil, err
	}
	var f join
	if f.separator, err = t.text(&args[0], path+"[0]"); err != nil {
		return nil, err
	}
	f.of, err = t.list(&args[1], path+"[1]")
	return f, err
}

func (t *Template) choose(argument *node, path string) (text, error) {
	args, err := arguments(argument, path, 2, `["index", [texts]]`)
	if err != nil {
		return nil, err
	}
	if args[0].kind == '0' { // which CloudFormation takes too
		args[0].kind = '"'
	}
	var f choose
	if f.index, err = t.text(&args[0], path+"[0]"); err != nil {
		return nil, err
	}
	if f.of, err = t.list(&args[1], path+"[1]"); err != nil {
		return nil, err
	}
	if i, ok := f.index.(literal); ok {
		of, known := f.of.(items)
		if at, err := strconv.ParseUint(string(i), 10, 31); err != nil || known && at >= uint64(len(of)) {
			return nil, wrong(ErrInvalid, path+"[0]", string(i), "the index of an item, from 0")
		}
	}
	return f, nil
}

func (t *Template) find(argument *node, path string) (text, error) {
	args, err := arguments(argument, path, 3, `["mapping", "key", "name"]`)
	if err != nil {
		return nil, err
	}
	var f find
	for i, to := range []*text{&f.table, &f.key, &f.name} {
		if *to, err = t.text(&args[i], fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return nil, err
		}
	}
	// What is known already is looked up already.
	table, ok := f.table.(literal)
	if !ok {
		return f, nil
	}
	keys, ok := t.mappings[string(table)]
	if !ok {
		return nil, wrong(ErrInvalid, path+"[0]", string(table), "a name from Mappings")
	}
	key, ok := f.key.(literal)
	if !ok {
		return f, nil
	}
	names, ok := keys[string(key)]
	if !ok {
		return nil, wrong(ErrInvalid, path+"[1]", string(key), "a key of Mappings."+string(table))
	}
	if name, ok := f.name.(literal); ok {
		if _, ok := names[string(name)]; !ok {
			return nil, wrong(ErrInvalid, path+"[2]", string(name), "a name of Mappings."+string(table)+"."+string(key))
		}
	}
	return f, nil
}

// substitute reads "text with ${Names}", or ["text", {"Name": value}] with names of its
// own. ${!Name} stands for ${Name} itself, which policies have.
func (t *Template) substitute(argument *node, path string) (text, error) {
	const want = `text, or ["text", {"name": text}]`
	own := map[string]text{}
	form := argument
	if argument.kind == '[' {
		args, err := arguments(argument, path, 2, want)
		if err != nil {
			return nil, err
		}
		if args[1].kind != '{' {
			return nil, amiss(path+"[1]", args[1].what(), "an object of texts")
		}
		for i := range args[1].members {
			m := &args[1].members[i]
			if own[m.name], err = t.text(&m.value, path+"[1]."+m.name); err != nil {
				return nil, err
			}
		}
		form, path = &args[0], path+"[0]"
	}
	if form.kind != '"' {
		return nil, amiss(path, form.what(), want)
	}
	var f substitute
	rest := form.text
	for {
		before, after, found := strings.Cut(rest, "${")
		if before != "" {
			f = append(f, literal(before))
		}
		if !found {
			return f, nil
		}
		name, behind, closed := strings.Cut(after, "}")
		if !closed {
			return nil, wrong(ErrInvalid, path, form.text, "a } after each ${")
		}
		rest = behind
		if plain, ok := strings.CutPrefix(name, "!"); ok {
			f = append(f, literal("${"+plain+"}"))
			continue
		}
		value, ok := own[name]
		if !ok {
			var err error
			if value, err = t.reference(name, path); err != nil {
				return nil, err
			}
		}
		f = append(f, value)
	}
}
