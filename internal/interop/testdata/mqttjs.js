'use strict'
// MQTT.js clients under the control of a Go test; see wire.js.
const mqtt = require('mqtt')
const { emit, serve } = require('./wire.js')

const clients = new Map()

function properties (p) {
  if (p && p.correlationData) p.correlationData = Buffer.from(p.correlationData, 'base64')
  return p
}

serve({
  connect ({ client: name, url, options }) {
    if (options.will) {
      options.will.payload = Buffer.from(options.will.payload, 'base64')
      properties(options.will.properties)
    }
    const client = mqtt.connect(url, options)
    clients.set(name, client)
    client.on('message', (topic, payload, packet) => {
      const { qos, retain, dup, properties } = packet
      emit({ event: 'message', client: name, topic, payload, qos, retain, dup, properties })
    })
    client.on('connect', ({ sessionPresent, properties }) => emit({ event: 'connect', client: name, sessionPresent, properties }))
    client.on('disconnect', ({ reasonCode, properties }) => emit({ event: 'disconnect', client: name, reasonCode, properties }))
    client.on('close', () => emit({ event: 'close', client: name }))
    client.on('error', (err) => emit({ event: 'error', client: name, error: String(err.message || err), code: err.code }))
  },
  subscribe: ({ client, filters, properties }) => clients.get(client).subscribeAsync(filters, { properties }),
  unsubscribe: async ({ client, filter }) => (await clients.get(client).unsubscribeAsync(filter))?.granted,
  async publish ({ client, topic, payload, qos, retain, properties: p }) {
    const packet = await clients.get(client).publishAsync(topic, Buffer.from(payload || '', 'base64'), { qos, retain, properties: properties(p) })
    return packet && { reasonCode: packet.reasonCode }
  },
  end: ({ client }) => clients.get(client).endAsync(),
  cut ({ client }) { clients.get(client).stream.destroy() }
})
