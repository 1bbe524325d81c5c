// Package sql is the rule language of AWS IoT Core: it compiles statements and
// substitution templates, and evaluates them on messages. It starts nothing and keeps
// nothing; package rules is the engine around it.
//
//	s, err := sql.Compile(`SELECT temp, topic(2) AS device FROM 'dt/+/temp' WHERE temp > 80`, sql.Options{})
//	res, err := s.Evaluate(ctx, &actions.Message{Topic: "dt/pump-1/temp", Payload: []byte(`{"temp":81}`)})
//	// res.Output is {"temp":81,"device":"pump-1"}
//
// # How it works
//
// A statement becomes a tree of closures over small values. A [Plan] evaluates any
// number of statements on one message: it validates the payload in one pass, notes on
// the way where the fields are that any of them asks for, and decodes nothing else. A
// match allocates nothing.
//
// Mistakes are found when a statement is compiled, with line and column ([Error]):
// grammar, unknown functions, numbers of arguments, constants that cannot work, and what
// the version of the language does not have. Constants that AWS takes although they can
// only yield Undefined, such as a regular expression that is wrong, are told by
// [Statement.Warnings]. A mistake in a message is none of the statement: what cannot be
// computed is Undefined, which is left out of the output. An evaluation fails as a
// whole, and no action may run, only if a function that calls out fails ([ErrCall]), if
// the statement looks into a payload that is not JSON ([ErrPayload]), or if it makes far
// more of a message than there is of it ([ErrTooLarge]). An empty payload is like an
// empty object.
//
// # Dates and regular expressions
//
// parse_time has the patterns of Joda-Time, time_to_epoch those of Java 11's
// DateTimeFormatter with its SMART style: 30 February is the last day of the month. A
// text without a time is midnight, one without a zone UTC, and one without a date does
// not fit. Names are English. Time zones are those that the system has; a program that
// runs where there are none imports time/tzdata.
//
// Regular expressions are Java's, on Go's linear engine: possessive repetitions, atomic
// groups, intersections of classes, \h, \R, \p{Alpha} and their like are translated. What
// has no equivalent is refused where it is a constant, and Undefined where it comes with
// a message: look-around, back-references, \G, \X, blocks of Unicode, and atomic groups
// that do matter. Of line ends (?m) knows the line feed alone, and of letters \b those of
// ASCII.
//
// # What AWS leaves open
//
// Where the published documentation is silent or contradicts itself, this is how it is
// here:
//
//   - A quote within a text of the same quotes is written twice. A backslash is an
//     ordinary character, so that '\d' reaches the regular expression.
//   - An item without AS is called like the last name of a path, a variable or a
//     function; anything else like its own text.
//   - SELECT *, x AS k: k takes the place of a key k of the message. SELECT * AS k is
//     {"k": message}. Of two items with one alias the last one counts. An alias with
//     dots goes into an object of the message.
//   - SELECT *, x with a payload that is not JSON: the bytes are base64 text under
//     "payload".
//   - An Undefined is left out of an array literal. A nested query over what is neither
//     array nor object is Undefined; one that finds nothing is [].
//   - AND and OR look at both sides: one that is no Boolean makes them Undefined. A
//     text that spells true or false is a Boolean for AND, OR, NOT and WHERE.
//   - A text + Null or Undefined is Undefined.
//   - Int / Int is cut towards zero; by zero it is Undefined. A remainder has the sign of
//     the dividend. bitnot is that of a 64-bit integer.
//   - cast of a Decimal to Int rounds down, towards minus infinity. round rounds halves
//     away from zero. Roots and logarithms without a real result are Undefined.
//   - Numbers have 34 digits and reach to 9.99…E999; what is larger is Undefined.
//   - Characters are Unicode code points, counted from 0 in get and substring. indexof
//     yields -1 if there is none.
//   - A replacement of regexp_replace that is wrong is Undefined also where nothing
//     matches. regexp_substr without a match is Undefined.
//   - decode yields Null for what is not base64, and for bytes that are neither JSON nor
//     UTF-8; of anything but a text it is Undefined. Of transform's attributes one takes
//     the place of an object's own; more than 128 KiB are Undefined.
//   - concat of one number is its text; with Null beside a text it is Undefined.
//   - topic(n) behind the last level is Undefined; so is a property that was not sent.
//   - A wrong number of arguments, an unknown function, a function or type that came with
//     a later version, and a variable that is not set are mistakes.
//   - A FROM beside Basic Ingest must match what is behind the prefix.
//   - Within a template Undefined is nothing and Null is null.
//   - Values nested deeper than 128 levels are equal only if they are written alike.
//
// # Beyond AWS
//
// Accepted besides: IN, NOT IN, LIKE with % and _, BETWEEN, IS [NOT] NULL, == and !=,
// a[0], CASE WHEN condition THEN, get(*, 'a key'), the host's own functions
// ([Options].Functions), and expr('...'), which computes a value in another language
// ([Options].Expr; package rules has that of github.com/expr-lang/expr there).
package sql
