package jsonschema

import (
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// english is what the library says in words of its own, which is rare.
var english = message.NewPrinter(language.English)
