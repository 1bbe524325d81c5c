'use strict'
// Clients of the AWS IoT device SDKs under the control of a Go test; see wire.js.
// kind is "v1" (MQTT 3.1.1 in JavaScript), "v2 3.1.1" or "v2 5" (both native).
const { emit, serve } = require('./wire.js')

const clients = new Map()

// given leaves out what is undefined, which aws-crt does not take for absent.
const given = (o) => Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined))

// builder5 sets up how an SDK v2 builder presents itself: mutual TLS, or a WebSocket
// whose URL is signed.
function builder5 (sdk, o) {
  const b = o.sigv4
    ? sdk.iot.AwsIotMqtt5ClientConfigBuilder.newWebsocketMqttBuilderWithSigv4Auth(o.host, {
      region: 'eu-central-1', credentialsProvider: sdk.auth.AwsCredentialsProvider.newStatic('AKIDEXAMPLE', 'secret')
    })
    : sdk.iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithMtlsFromPath(o.host, o.cert, o.key)
  return b.withCertificateAuthorityFromPath(undefined, o.ca).withPort(o.port)
}

const kinds = {
  'v2 5' (name, o) {
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
    const client = new mqtt5.Mqtt5Client(b.build())
    client.on('messageReceived', ({ message: m }) => emit({
      event: 'message',
      client: name,
      topic: m.topicName,
      payload: m.payload,
      qos: m.qos,
      retain: m.retain,
      properties: { contentType: m.contentType, responseTopic: m.responseTopic, correlationData: m.correlationData, userProperties: m.userProperties }
    }))
    client.on('connectionSuccess', (e) => emit({ event: 'connect', client: name, sessionPresent: e.connack.sessionPresent, properties: e.settings }))
    client.on('disconnection', (e) => emit({ event: 'disconnect', client: name, reasonCode: e.disconnect?.reasonCode, error: String(e.error) }))
    client.on('connectionFailure', (e) => emit({ event: 'error', client: name, reasonCode: e.connack?.reasonCode, error: String(e.error) }))
    client.start()
    return {
      subscribe: async (filter, qos) => (await client.subscribe({ subscriptions: [{ topicFilter: filter, qos }] })).reasonCodes,
      publish: async (topic, payload, qos, retain, properties) =>
        (await client.publish(given({ topicName: topic, payload, qos, retain, ...properties })))?.reasonCode,
      end () {
        const stopped = new Promise((resolve) => client.once('stopped', resolve))
        client.stop({ reasonCode: 0 })
        return stopped.then(() => client.close())
      }
    }
  },

  async 'v2 3.1.1' (name, o) {
    const { mqtt, iot } = require('aws-iot-device-sdk-v2')
    const b = iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder_from_path(o.cert, o.key)
      .with_certificate_authority_from_path(undefined, o.ca).with_endpoint(o.host).with_port(o.port)
      .with_client_id(name).with_clean_session(!o.expiry).with_reconnect_min_sec(1).with_reconnect_max_sec(1)
    if (o.will) b.with_will(new mqtt.MqttWill(o.will, 1, 'gone'))
    const connection = new mqtt.MqttClient().new_connection(b.build())
    connection.on('message', (topic, payload, dup, qos, retain) => emit({ event: 'message', client: name, topic, payload, qos, retain, dup }))
    connection.on('connection_success', (e) => emit({ event: 'connect', client: name, sessionPresent: e.session_present }))
    connection.on('interrupt', (err) => emit({ event: 'close', client: name, error: String(err) }))
    connection.on('error', (err) => emit({ event: 'error', client: name, error: String(err) }))
    connection.connect().catch((err) => emit({ event: 'error', client: name, error: String(err) }))
    return {
      subscribe: async (filter, qos) => [(await connection.subscribe(filter, qos)).error_code || qos],
      publish: async (topic, payload, qos, retain) => { await connection.publish(topic, payload, qos, retain) },
      end: () => connection.disconnect()
    }
  },

  v1 (name, o) {
    const device = require('aws-iot-device-sdk').device({
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
    device.on('message', (topic, payload, { qos, retain, dup }) => emit({ event: 'message', client: name, topic, payload, qos, retain, dup }))
    device.on('connect', (connack) => emit({ event: 'connect', client: name, sessionPresent: connack?.sessionPresent }))
    device.on('close', () => emit({ event: 'close', client: name }))
    device.on('error', (err) => emit({ event: 'error', client: name, error: String(err) }))
    return {
      subscribe: (filter, qos) => new Promise((resolve, reject) =>
        device.subscribe(filter, { qos }, (err, granted) => err ? reject(err) : resolve(granted.map((g) => g.qos)))),
      publish: (topic, payload, qos, retain) => new Promise((resolve, reject) =>
        device.publish(topic, payload, { qos, retain }, (err) => err ? reject(err) : resolve())),
      end: () => new Promise((resolve) => device.end(false, resolve))
    }
  }
}

serve({
  async connect ({ client: name, kind, options }) { clients.set(name, await kinds[kind](name, options)) },
  subscribe: ({ client, filter, qos }) => clients.get(client).subscribe(filter, qos),
  publish: ({ client, topic, payload, qos, retain, properties }) =>
    clients.get(client).publish(topic, Buffer.from(payload, 'base64'), qos, retain, properties),
  end: ({ client }) => clients.get(client).end()
})
