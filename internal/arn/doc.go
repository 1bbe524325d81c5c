// Package arn makes and reads Amazon resource names: the names by which the control
// plane, policies and events refer to things, groups, certificates, topics and the
// like.
package arn
