// Package interop tests the hub with other people's clients and codecs: paho for
// MQTT 3.1.1 and 5, the Mosquitto command line clients and its bridge, MQTT.js, the
// AWS IoT device SDKs, amazon-cognito-identity-js, boto3, the AWS CLI and the AWS SDK for
// Go; and with other people's login providers: oidc-provider, samlidp, and stand-ins for
// Google, Amazon, Facebook, X and Apple that speak their protocols. It is a module of its
// own, so that none of them enters the core's module graph.
//
// What is not a Go module (mosquitto, node and the packages of package.json, the Python
// packages of requirements.txt) is installed by make test. A test whose counterpart is
// missing fails and names the command that installs it; it never skips.
//
// JavaScript clients live in processes that take commands from the test, see
// testdata/wire.js. boto3 goes through checks of its own and reports each, see
// testdata/boto.
package interop
