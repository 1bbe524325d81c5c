// Package aws has the actions of AWS IoT rules that go to services of AWS.
package aws
