'use strict'
// Shadow clients of the AWS IoT device SDKs under the control of a Go test; see wire.js.
//
// "v2" are the SDK's request-response client, over MQTT 5 and 3.1.1; "v2 topics" its older
// one, where the application matches answers with requests; "v1" is thingShadow, which
// knows classic shadows only. All make a request with its parts (state, version) and
// answer { accepted } or { rejected }, and emit what they listen to as messages whose
// topic is "delta" or "documents", with the shadow's name behind it.
const { randomUUID } = require('node:crypto')
const { begin311, begin5, end5, options1 } = require('./connections.js')
const { emit, serve } = require('./wire.js')

const clients = new Map()

// heard emits an event of a shadow.
const heard = (name, what, shadow, event) => emit({ event: 'message', client: name, topic: shadow ? what + ' ' + shadow : what, properties: event })

const title = (s) => s[0].toUpperCase() + s.slice(1)

// method is how the SDK calls something, with "Named" in it if there is a name.
const method = (shadow, before, after) => before + (shadow ? 'Named' : '') + after

// requests is IotShadowClientv2 over a connection.
function requests (name, thing, sdk, end) {
  return {
    request: (op, shadow, parts) => sdk[method(shadow, op, 'Shadow')]({ thingName: thing, shadowName: shadow, ...parts })
      .then((accepted) => ({ accepted }), (err) => {
        if (!err.modeledError) throw err.internalError ?? err
        return { rejected: err.modeledError }
      }),
    async listen (shadow) {
      for (const [what, event] of [['delta', 'DeltaUpdated'], ['documents', 'Updated']]) {
        const stream = sdk[method(shadow, 'create', `Shadow${event}Stream`)]({ thingName: thing, shadowName: shadow })
        stream.on('incomingPublish', ({ message }) => heard(name, what, shadow, message))
        stream.on('incomingPublishError', ({ error }) => emit({ event: 'error', client: name, error: String(error) }))
        const open = new Promise((resolve, reject) => stream.on('subscriptionStatus', (s) => s.error ? reject(s.error) : resolve()))
        stream.open()
        await open
      }
    },
    end () {
      sdk.close()
      return end()
    }
  }
}

const limits = { maxRequestResponseSubscriptions: 10, maxStreamingSubscriptions: 10, operationTimeoutInSeconds: 20 }

// topics is IotShadowClient over a connection.
function topics (name, thing, sdk, end) {
  const qos = 1
  const waiting = new Map() // who made a request, by token
  const subscribed = new Set()
  const answer = (kind) => (err, response) => {
    if (err) return emit({ event: 'error', client: name, error: String(err) })
    waiting.get(response.clientToken)?.({ [kind]: response })
    waiting.delete(response.clientToken)
  }
  return {
    async request (op, shadow, parts) {
      const Op = title(op)
      if (!subscribed.has(op + shadow)) {
        subscribed.add(op + shadow)
        for (const kind of ['Accepted', 'Rejected']) {
          await sdk[method(shadow, `subscribeTo${Op}`, 'Shadow' + kind)]({ thingName: thing, shadowName: shadow }, qos, answer(kind.toLowerCase()))
        }
      }
      const token = randomUUID()
      const answered = new Promise((resolve) => waiting.set(token, resolve))
      await sdk[method(shadow, `publish${Op}`, 'Shadow')]({ thingName: thing, shadowName: shadow, clientToken: token, ...parts }, qos)
      return answered
    },
    async listen (shadow) {
      for (const [what, event] of [['delta', 'DeltaUpdated'], ['documents', 'Updated']]) {
        await sdk[method(shadow, 'subscribeTo', `Shadow${event}Events`)]({ thingName: thing, shadowName: shadow }, qos,
          (err, message) => err ? emit({ event: 'error', client: name, error: String(err) }) : heard(name, what, shadow, message))
      }
    },
    end
  }
}

const kinds = {
  async 'v2 5' (name, thing, o) {
    const { iotshadow } = require('aws-iot-device-sdk-v2')
    const client = await begin5(name, o)
    return requests(name, thing, iotshadow.IotShadowClientv2.newFromMqtt5(client, limits), () => end5(client))
  },
  async 'v2 3.1.1' (name, thing, o) {
    const { iotshadow } = require('aws-iot-device-sdk-v2')
    const connection = await begin311(name, o)
    return requests(name, thing, iotshadow.IotShadowClientv2.newFromMqtt311(connection, limits), () => connection.disconnect())
  },
  async 'v2 topics 5' (name, thing, o) {
    const { iotshadow } = require('aws-iot-device-sdk-v2')
    const client = await begin5(name, o)
    return topics(name, thing, iotshadow.IotShadowClient.newFromMqtt5Client(client), () => end5(client))
  },
  async 'v2 topics 3.1.1' (name, thing, o) {
    const { iotshadow } = require('aws-iot-device-sdk-v2')
    const connection = await begin311(name, o)
    return topics(name, thing, new iotshadow.IotShadowClient(connection), () => connection.disconnect())
  },
  async v1 (name, thing, o) {
    const shadows = require('aws-iot-device-sdk').thingShadow(options1(name, o), { operationTimeout: 20000 })
    const waiting = new Map()
    shadows.on('status', (_, kind, clientToken, state) => waiting.get(clientToken)?.({ [kind]: { clientToken, ...state } }))
    shadows.on('timeout', (_, clientToken) => waiting.get(clientToken)?.({ timeout: clientToken }))
    shadows.on('delta', (_, state) => heard(name, 'delta', undefined, state))
    await new Promise((resolve, reject) => {
      shadows.on('connect', resolve)
      shadows.on('error', reject)
    })
    await new Promise((resolve, reject) => shadows.register(thing, { qos: 1 }, (err, failed) => err || failed ? reject(err ?? new Error(String(failed))) : resolve()))
    return {
      request: (op, _, parts) => new Promise((resolve, reject) => {
        const token = op === 'update' ? shadows.update(thing, parts) : shadows[op](thing)
        if (token === null) reject(new Error('there is a request under way'))
        else waiting.set(token, resolve)
      }),
      async listen () {}, // it does since it was registered
      end: () => new Promise((resolve) => shadows.end(false, resolve))
    }
  }
}

serve({
  async connect ({ client: name, kind, thing, options }) { clients.set(name, await kinds[kind](name, thing, options)) },
  request: ({ client, request, shadow, parts }) => clients.get(client).request(request, shadow, parts),
  listen: ({ client, shadow }) => clients.get(client).listen(shadow),
  end: ({ client }) => clients.get(client).end()
})
