// Package shadowtest checks shadow stores against their contract, and shadow
// services against conversations with device shadows as AWS IoT Core has them.
package shadowtest
