'use strict'
// Clients of the AWS IoT device SDKs under the control of a Go test; see wire.js.
// kind is "v1" (MQTT 3.1.1 in JavaScript), "v2 3.1.1" or "v2 5" (both native).
const { connection311, connection5, end5, given, options1 } = require('./connections.js')
const { emit, serve } = require('./wire.js')

const clients = new Map()

const kinds = {
  'v2 5' (name, o) {
    const client = connection5(name, o)
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
      end: () => end5(client)
    }
  },

  async 'v2 3.1.1' (name, o) {
    const connection = connection311(name, o)
    connection.on('message', (topic, payload, dup, qos, retain) => emit({ event: 'message', client: name, topic, payload, qos, retain, dup }))
    connection.on('connection_success', (e) => emit({ event: 'connect', client: name, sessionPresent: e.session_present }))
    connection.on('interrupt', (err) => emit({ event: 'close', client: name, error: String(err) }))
    connection.on('error', (err) => emit({ event: 'error', client: name, error: String(err) }))
    connection.connect().catch((err) => emit({ event: 'error', client: name, error: String(err) }))
    return {
      subscribe: async (filter, qos) => { const a = await connection.subscribe(filter, qos); return [a.error_code || a.qos] },
      publish: async (topic, payload, qos, retain) => { await connection.publish(topic, payload, qos, retain) },
      end: () => connection.disconnect()
    }
  },

  v1 (name, o) {
    const device = require('aws-iot-device-sdk').device(options1(name, o))
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
