// Package index is the fleet index: the query language of AWS IoT fleet indexing
// (version 2017-09-30; see [Parse]), an inverted index that answers it, and the
// aggregations.
//
// A document has fields, a field has values, and a query asks for the documents that
// have some. Names of fields are case sensitive, values are not.
//
//   - A text is found as a whole, by each of its words, and as a phrase by some of its
//     words in a row. With wildcards it is found as a whole or by a word.
//   - A number is found by its value, however that is written. Wildcards do not find it.
//   - A range of numbers has numbers, and texts that are one, as attributes are: 75 is
//     in [9 TO 80], but a search for 7 does not find 007. A range of texts has texts, in
//     the order of their runes in lower case.
//   - field:* finds the documents that have the field. A document that has not matches
//     no other query of it, so it matches each NOT.
//   - What names no field is looked for in all that can be searched, but for
//     connectivity.
//
// The parts of a document are put one by one, so that a device that connects does not
// cost more because its shadow is large. An index of a million things with three
// attributes takes some 360 bytes for each; DESIGN.md says how, and what searches cost.
package index
