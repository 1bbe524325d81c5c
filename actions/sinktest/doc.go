// Package sinktest checks actions that write to a sink, a database, a broker or a service,
// against the promises of the delivery machine: what was accepted arrives although the
// sink is down, slow, cuts connections or answers errors, in the order of each key; what
// cannot arrive is counted and goes to the error action.
//
// The counterpart is a real one. Between it and the action stands a [Proxy], which the
// tests stop and slow down.
//
// What must happen is waited for, up to 90 seconds each time, because servers of tests can
// be slow; go test -failfast saves that time while an action is not right yet.
package sinktest
