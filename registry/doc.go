// Package registry is the device registry: things, their types, groups, billing
// groups, principals and tags, the events that tell of changes, and the fleet index
// with its searches, aggregations, dynamic groups and fleet metrics.
package registry
