package provision

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxEvaluated bounds the text that the evaluation of a template makes, all of what its
// functions return counted: a few of them, one within the other, could multiply a
// parameter without end.
const maxEvaluated = 1 << 20

// An evaluation is one use of a template.
type evaluation struct {
	mappings map[string]map[string]map[string]string
	values   map[string]string
	// foreign are the parameters whose values come from a device.
	foreign map[string]bool
	// policy is set while the text of a policy is made. Values within it are written as
	// JSON text needs it when quoted is set, and those of devices must not have what
	// means more in a policy than it says.
	policy, quoted bool
	made           int
}

// spend counts work: bytes that a function makes, and pieces that it makes them of.
func (e *evaluation) spend(n int) error {
	if e.made += n; e.made > maxEvaluated {
		return failf(ErrParameters, "the template becomes more than %d bytes with these parameters", maxEvaluated)
	}
	return nil
}

func (l literal) text(*evaluation) (string, error) { return string(l), nil }

func (r ref) text(e *evaluation) (string, error) {
	v := e.values[string(r)]
	if e.policy && e.foreign[string(r)] && strings.ContainsAny(v, "*?$") {
		return "", wrong(ErrParameters, "parameters."+string(r), v, "no *, ? or $, which would mean more in a policy than they say")
	}
	if e.policy && e.quoted {
		v = quote(v)
		v = v[1 : len(v)-1]
	}
	return v, e.spend(len(v))
}

func (l items) list(e *evaluation) ([]string, error) {
	out := make([]string, len(l))
	for i, item := range l {
		var err error
		if out[i], err = item.text(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (f split) list(e *evaluation) ([]string, error) {
	separator, err := f.separator.text(e)
	if err != nil {
		return nil, err
	}
	of, err := f.of.text(e)
	if err != nil {
		return nil, err
	}
	if separator == "" {
		return nil, failf(ErrParameters, "the separator of Fn::Split is empty")
	}
	return strings.Split(of, separator), e.spend(len(of))
}

func (f join) text(e *evaluation) (string, error) {
	separator, err := f.separator.text(e)
	if err != nil {
		return "", err
	}
	of, err := f.of.list(e)
	if err != nil {
		return "", err
	}
	size := len(separator) * max(0, len(of)-1)
	for _, s := range of {
		size += len(s)
	}
	if err := e.spend(size); err != nil { // before it is made
		return "", err
	}
	return strings.Join(of, separator), nil
}

func (f choose) text(e *evaluation) (string, error) {
	index, err := f.index.text(e)
	if err != nil {
		return "", err
	}
	of, err := f.of.list(e)
	if err != nil {
		return "", err
	}
	at, err := strconv.ParseUint(index, 10, 31)
	if err != nil || at >= uint64(len(of)) {
		return "", failf(ErrParameters, "the index of Fn::Select is %q, expected a number below %d", shorten(index), len(of))
	}
	return of[at], nil
}

func (f find) text(e *evaluation) (string, error) {
	var at [3]string
	for i, x := range []text{f.table, f.key, f.name} {
		var err error
		if at[i], err = x.text(e); err != nil {
			return "", err
		}
	}
	v, ok := e.mappings[at[0]][at[1]][at[2]]
	if !ok {
		return "", failf(ErrParameters, "Fn::FindInMap finds nothing at %q of %q in mapping %q", shorten(at[2]), shorten(at[1]), shorten(at[0]))
	}
	return v, e.spend(len(v))
}

func (f substitute) text(e *evaluation) (string, error) {
	var b strings.Builder
	for _, piece := range f {
		// A piece that becomes nothing counts too: pieces within pieces multiply.
		if err := e.spend(1); err != nil {
			return "", err
		}
		s, err := piece.text(e)
		if err != nil {
			return "", err
		}
		if err := e.spend(len(s)); err != nil {
			return "", err
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// at says where in a template an error came up, if it does not say so itself.
func at(path string, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Field != "" {
		return err
	}
	return &Error{Kind: e.Kind, Message: fmt.Sprintf("%s: %s", path, e.Message), Field: path}
}
