// Package examples is the module of the runnable example programs. Each lives
// in a folder of its own with a test that runs it; start one from the root of
// the repository, for instance with
//
//	go run ./examples/quickstart
package examples
