package index

import "errors"

var errSkeleton = errors.New("index: not written yet")

// The limits of a query, those of AWS IoT.
const (
	MaxTerms  = 12   // terms of a query
	MaxLength = 1000 // characters of a query
)

// Query is a parsed query. It does not change and may be used by many goroutines.
type Query struct{}

// Parse reads a query. Errors are *[SyntaxError], which wraps [ErrInvalidQuery].
func Parse(query string) (*Query, error) { return nil, errSkeleton }

// Term is the query field:value, for any field and any text; value is matched
// without regard to case, as a phrase if it has several words.
func Term(field, value string) *Query { return &Query{} }

// Prefix is the query field:value*, for any field and any text.
func Prefix(field, value string) *Query { return &Query{} }

// String returns a query that parses to the same query.
func (q *Query) String() string { return "" }

// Fields returns the fields that q names, sorted, each once.
func (q *Query) Fields() []string { return nil }

// Match reports whether d matches q. It does not check the fields: see [Schema.Check].
func (q *Query) Match(d *Document) bool { return false }

// Document holds the searchable fields of one thing or group. The zero value is an
// empty document. A field may get several values.
type Document struct{}

// AddString adds a text. Words are separated by white space; each can be found.
func (d *Document) AddString(field, value string) {}

// AddNumber adds a number. NaN and infinities are not indexed.
func (d *Document) AddNumber(field string, value float64) {}

// AddBool adds true or false.
func (d *Document) AddBool(field string, value bool) {}

// AddJSON adds the values of a JSON object, the names joined to prefix with dots:
// {"a":{"b":1}} under "shadow.reported" is shadow.reported.a.b. Null, arrays with
// objects or arrays in them and text that is not JSON are not indexed.
func (d *Document) AddJSON(prefix string, raw []byte) {}

// Kind tells the two indices apart.
type Kind uint8

const (
	Things      Kind = iota // AWS_Things
	ThingGroups             // AWS_ThingGroups
)

// Type is the type of a field that can be aggregated.
type Type string

const (
	String  Type = "String"
	Number  Type = "Number"
	Boolean Type = "Boolean"
)

// Field is a field with a type.
type Field struct {
	Name string
	Type Type
}

// Schema says what an index holds. The zero value is AWS_Things with registry data only.
type Schema struct {
	Kind           Kind
	Shadow         bool     // the classic shadow: shadow.desired.*, shadow.hasDelta, ...
	NamedShadows   []string // shadow.name.N.* for these N
	Connectivity   bool     // connectivity.*
	DeviceDefender bool     // deviceDefender.*
	CustomFields   []Field  // what can be aggregated beyond the managed fields
}

// Validate checks the custom fields: known types, names that the schema has, none twice.
// Errors wrap [ErrInvalidSchema].
func (s Schema) Validate() error { return nil }

// Check checks the fields that q names. Errors are *[FieldError] wrapping [ErrInvalidQuery].
func (s Schema) Check(q *Query) error { return nil }

// ManagedFields returns the fields that can always be aggregated, as
// GetIndexingConfiguration lists them.
func (s Schema) ManagedFields() []Field { return nil }

// Index is an inverted index. It is safe for concurrent use.
type Index struct{}

// New returns an empty index. Errors are those of [Schema.Validate].
func New(s Schema) (*Index, error) { return nil, errSkeleton }

// Schema returns what New was given.
func (x *Index) Schema() Schema { return Schema{} }

// Put makes d the document of name. d may be changed afterwards.
func (x *Index) Put(name string, d *Document) {}

// Delete removes a document and reports whether it was there.
func (x *Index) Delete(name string) bool { return false }

// Get returns a copy of a document.
func (x *Index) Get(name string) (*Document, bool) { return nil, false }

// Len returns the number of documents.
func (x *Index) Len() int { return 0 }

// Search returns the names that match, in ascending order, starting behind after
// ("" = from the start), at most limit (<= 0: all). next is "" if there are no more, and
// otherwise what after must be for the next page. Errors are those of [Schema.Check].
func (x *Index) Search(q *Query, after string, limit int) (names []string, next string, err error) {
	return nil, "", errSkeleton
}

// Count returns how many documents match.
func (x *Index) Count(q *Query) (int, error) { return 0, errSkeleton }

// Statistics of a field.
type Statistics struct {
	Count   int  // documents that match and have the field
	Numeric bool // whether the rest is set: false for texts, and if nothing matches
	Average, Sum, Minimum, Maximum,
	SumOfSquares, Variance, StdDeviation float64
}

// Statistics of field ("" = registry.version, or version) in the documents that match.
func (x *Index) Statistics(q *Query, field string) (Statistics, error) {
	return Statistics{}, errSkeleton
}

// Percentile is one percentile.
type Percentile struct{ Percent, Value float64 }

// Percentiles of a number field in the documents that match, one for each of percents
// (default 1, 5, 25, 50, 75, 95, 99), none if there are no values.
func (x *Index) Percentiles(q *Query, field string, percents ...float64) ([]Percentile, error) {
	return nil, errSkeleton
}

// Cardinality returns how many different values field has in the documents that match.
func (x *Index) Cardinality(q *Query, field string) (int, error) { return 0, errSkeleton }

// Bucket is one value and how many of the matching documents have it.
type Bucket struct {
	Key   string
	Count int
}

// Buckets is the answer of [Index.Buckets].
type Buckets struct {
	Total   int // documents that match
	Buckets []Bucket
}

// Buckets returns the n (1 to 10,000, 0 = 10) most frequent values of field, most frequent first.
func (x *Index) Buckets(q *Query, field string, n int) (Buckets, error) {
	return Buckets{}, errSkeleton
}
