// Package index is the fleet index: the query language of AWS IoT fleet indexing
// (version 2017-09-30), an inverted index that answers it, and the aggregations.
package index
