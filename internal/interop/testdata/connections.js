'use strict'
// Connections of the AWS IoT device SDKs as the options of a Go test want them: host,
// port, cert, key, ca, expiry (of the session), will; sigv4 { id, secret, token } for a
// WebSocket whose URL is signed; custom { authorizer, user, password, key, token,
// signature } for a custom authorizer, over a WebSocket if websocket is set.

console.log = console.error // the SDKs warn with it of ports they do not know

// given leaves out what is undefined, which aws-crt does not take for absent.
const given = (o) => Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined))

const region = 'eu-central-1'

const credentials = (auth, { id, secret, token }) => auth.AwsCredentialsProvider.newStatic(id, secret, token)

// builder5 sets up how a client of SDK v2 for MQTT 5 presents itself.
function builder5 ({ iot: { AwsIotMqtt5ClientConfigBuilder: B }, auth }, o) {
  let b
  if (o.sigv4) {
    b = B.newWebsocketMqttBuilderWithSigv4Auth(o.host, { region, credentialsProvider: credentials(auth, o.sigv4) })
  } else if (o.custom) {
    const how = given({
      authorizerName: o.custom.authorizer,
      username: o.custom.user,
      password: o.custom.password,
      tokenKeyName: o.custom.key,
      tokenValue: o.custom.token,
      tokenSignature: o.custom.signature
    })
    b = o.websocket ? B.newWebsocketMqttBuilderWithCustomAuth(o.host, how) : B.newDirectMqttBuilderWithCustomAuth(o.host, how)
  } else {
    b = B.newDirectMqttBuilderWithMtlsFromPath(o.host, o.cert, o.key)
  }
  return b.withCertificateAuthorityFromPath(undefined, o.ca).withPort(o.port)
}

// builder311 is the same for MQTT 3.1.1.
function builder311 ({ iot: { AwsIotMqttConnectionConfigBuilder: B }, auth }, o) {
  let b
  if (o.sigv4) {
    b = B.new_with_websockets({ region, credentials_provider: credentials(auth, o.sigv4) })
  } else if (o.custom) {
    const { user = '', authorizer = '', signature = '', password, key, token } = o.custom
    b = (o.websocket ? B.new_websocket_builder() : B.new_default_builder())
      .with_custom_authorizer(user, authorizer, signature, password ?? null, key, token)
  } else {
    b = B.new_mtls_builder_from_path(o.cert, o.key)
  }
  return b.with_certificate_authority_from_path(undefined, o.ca).with_endpoint(o.host).with_port(o.port)
}

// connection5 makes a client of SDK v2 for MQTT 5 that is not started yet.
function connection5 (name, o) {
  const { mqtt5, iot, auth } = require('aws-iot-device-sdk-v2')
  const b = builder5({ iot, auth }, o)
  b.withConnectProperties(given({
    clientId: name,
    keepAliveIntervalSeconds: 30,
    sessionExpiryIntervalSeconds: o.expiry,
    will: o.will && { topicName: o.will, payload: 'gone', qos: 1 }
  }))
  b.withSessionBehavior(o.expiry ? mqtt5.ClientSessionBehavior.RejoinPostSuccess : mqtt5.ClientSessionBehavior.Clean)
  b.withMinReconnectDelayMs(50).withMaxReconnectDelayMs(200)
  b.withTopicAliasingOptions({ outboundBehavior: 1, outboundCacheMaxSize: 5, inboundBehavior: 0, inboundCacheMaxSize: 5 })
  return new mqtt5.Mqtt5Client(b.build())
}

// end5 stops such a client.
function end5 (client) {
  const stopped = new Promise((resolve) => client.once('stopped', resolve))
  client.stop({ reasonCode: 0 })
  return stopped.then(() => client.close())
}

// connection311 makes a connection of SDK v2 for MQTT 3.1.1 that is not begun yet.
function connection311 (name, o) {
  const { mqtt, iot, auth } = require('aws-iot-device-sdk-v2')
  const b = builder311({ iot, auth }, o)
    .with_client_id(name).with_clean_session(!o.expiry).with_reconnect_min_sec(1).with_reconnect_max_sec(1)
  if (o.will) b.with_will(new mqtt.MqttWill(o.will, 1, 'gone'))
  return new mqtt.MqttClient().new_connection(b.build())
}

// begin5 and begin311 connect.
async function begin5 (name, o) {
  const client = connection5(name, o)
  const up = new Promise((resolve, reject) => {
    client.on('connectionSuccess', resolve)
    client.on('connectionFailure', (e) => reject(e.error))
  })
  client.start()
  await up
  return client
}

async function begin311 (name, o) {
  const connection = connection311(name, o)
  await connection.connect()
  return connection
}

// options1 are the options of SDK v1.
const options1 = (name, o) => ({
  clientId: name,
  host: o.host,
  port: o.port,
  keyPath: o.key,
  certPath: o.cert,
  caPath: o.ca,
  clean: !o.expiry,
  baseReconnectTimeMs: 100,
  will: o.will && { topic: o.will, payload: 'gone', qos: 1 },
  ALPNProtocols: ['x-amzn-mqtt-ca']
})

module.exports = { given, begin5, connection5, end5, begin311, connection311, options1 }
