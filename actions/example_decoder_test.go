package actions_test

import (
	"context"
	"fmt"

	"github.com/thinghub/thinghub/actions"
)

// Beep is an action that rules written as JSON can name.
type Beep struct {
	Times int `json:"times"`
}

func (b Beep) Kind() string                            { return "beep" }
func (b Beep) Resource(actions.Event) string           { return "speaker" }
func (b Beep) Do(context.Context, actions.Event) error { return nil }

func decodeBeep(parameters []byte) (actions.Action, error) {
	o := actions.ReadObject(parameters)
	b := Beep{Times: o.Int("times", 1, 9)}
	return b, o.Done()
}

// Kinds of actions are a table that the engine is given.
func ExampleDecode() {
	kinds := actions.Builtin()
	kinds["beep"] = decodeBeep

	a, err := actions.Decode([]byte(`{"beep": {"times": 3}}`), kinds)
	fmt.Printf("%#v %v\n", a, err)

	_, err = actions.Decode([]byte(`{"beep": {"times": 30}}`), kinds)
	fmt.Println(err)
	_, err = actions.Decode([]byte(`{"beep": {"count": 3}}`), kinds)
	fmt.Println(err)

	text, _, _ := actions.Encode(a, kinds)
	fmt.Println(string(text))
	// Output:
	// actions_test.Beep{Times:3} <nil>
	// beep: times is 30, expected a whole number from 1 to 9
	// beep: count is not known, expected times
	// {"beep":{"times":3}}
}
