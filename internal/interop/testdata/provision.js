'use strict'
// Devices that provision themselves with the identity clients of the AWS IoT device SDK
// v2, under the control of a Go test; see wire.js. "v2 topics" is the older client, where
// the application waits for answers by itself. Requests answer { accepted } or
// { rejected }.
const { begin311, begin5, end5 } = require('./connections.js')
const { serve } = require('./wire.js')

const clients = new Map()

// requests is IotIdentityClientv2: op is what its method is called.
const requests = (sdk, end) => ({
  request: (op, parts) => sdk[op](parts).then((accepted) => ({ accepted }), (err) => {
    if (!err.modeledError) throw err.internalError ?? err
    return { rejected: err.modeledError }
  }),
  end () {
    sdk.close()
    return end()
  }
})

// topics is IotIdentityClient.
const topics = (sdk, end) => ({
  async request (op, parts) {
    const Op = op[0].toUpperCase() + op.slice(1)
    let settle
    const answered = new Promise((resolve, reject) => { settle = { resolve, reject } })
    for (const kind of ['Accepted', 'Rejected']) {
      await sdk[`subscribeTo${Op}${kind}`](parts, 1, (err, response) => err ? settle.reject(err) : settle.resolve({ [kind.toLowerCase()]: response }))
    }
    await sdk['publish' + Op](parts, 1)
    return answered
  },
  end
})

const limits = { maxRequestResponseSubscriptions: 10, maxStreamingSubscriptions: 1, operationTimeoutInSeconds: 20 }

const kinds = {
  async 'v2 5' (name, o) {
    const { iotidentity } = require('aws-iot-device-sdk-v2')
    const client = await begin5(name, o)
    return requests(iotidentity.IotIdentityClientv2.newFromMqtt5(client, limits), () => end5(client))
  },
  async 'v2 3.1.1' (name, o) {
    const { iotidentity } = require('aws-iot-device-sdk-v2')
    const connection = await begin311(name, o)
    return requests(iotidentity.IotIdentityClientv2.newFromMqtt311(connection, limits), () => connection.disconnect())
  },
  async 'v2 topics 5' (name, o) {
    const { iotidentity } = require('aws-iot-device-sdk-v2')
    const client = await begin5(name, o)
    return topics(iotidentity.IotIdentityClient.newFromMqtt5Client(client), () => end5(client))
  },
  async 'v2 topics 3.1.1' (name, o) {
    const { iotidentity } = require('aws-iot-device-sdk-v2')
    const connection = await begin311(name, o)
    return topics(new iotidentity.IotIdentityClient(connection), () => connection.disconnect())
  }
}

serve({
  async connect ({ client: name, kind, options }) { clients.set(name, await kinds[kind](name, options)) },
  request: ({ client, request, parts }) => clients.get(client).request(request, parts),
  end: ({ client }) => clients.get(client).end()
})
