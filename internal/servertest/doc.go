// Package servertest starts real servers for tests: databases, brokers and services that
// actions write to. Each runs on loopback with a folder of its own and ends with the test
// binary. A server that is not installed fails the test with the command that installs it:
// scripts/testdeps.sh.
package servertest
