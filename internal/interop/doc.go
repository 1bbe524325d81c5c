// Package interop tests the hub with other people's clients and codecs: paho
// for MQTT 3.1.1, the Mosquitto command line clients, MQTT.js. It is a module
// of its own, so that none of them enters the core's module graph.
//
// What is not a Go module (mosquitto_pub, mosquitto_sub, node and the packages
// of package.json) is installed by make test. A test whose counterpart is
// missing fails and names the command that installs it; it never skips.
package interop
