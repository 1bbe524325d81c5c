// A device shadow over MQTT, live. It works with AWS IoT Core as it is.

import mqtt from "./vendor/mqtt.esm.js";

const patience = 10_000; // milliseconds, for any answer

// A Refusal says that the hub does not want us: just trying again is of no use.
export class Refusal extends Error {}

// Bad user name or password, and not authorized: reason codes of MQTT 5.
const refuses = (code) => code === 0x86 || code === 0x87;
const failure = (error) => (refuses(error.code) ? new Refusal("The hub does not allow this.", { cause: error }) : error);

// A Shadow is a connection that follows the shadow of one thing.
export class Shadow {
  #client;
  #topic;
  #traffic;
  #waiting = new Map(); // what became of requests, by their client tokens

  // ended is fulfilled with why the connection has ended: an Error, maybe a Refusal.
  ended;

  // connect connects to a signed address. documents is told of the shadow whenever it has
  // changed, traffic of every message: whether we sent it, its topic and its text.
  static async connect(options) {
    const shadow = new Shadow(options);
    const lost = shadow.ended.then((why) => { throw why; });
    const names = ["get/accepted", "get/rejected", "update/accepted", "update/rejected", "update/documents"];
    try {
      await Promise.race([lost, new Promise((resolve) => shadow.#client.once("connect", resolve))]);
      await Promise.race([lost, shadow.#client.subscribeAsync(names.map((name) => shadow.#topic + name), { qos: 1 })]);
    } catch (error) {
      shadow.close();
      throw failure(error);
    }
    return shadow;
  }

  constructor({ url, clientId, thing, documents, traffic }) {
    this.#topic = `$aws/things/${thing}/shadow/`;
    this.#traffic = traffic;
    this.#client = mqtt.connect(url, {
      transformWsUrl: () => url, // which MQTT.js would put together anew
      protocolVersion: 5, clientId, clean: true, keepalive: 30, connectTimeout: patience,
      reconnectPeriod: 0, // the signature would be too old: who uses this connects again
    });
    this.#client.on("message", (topic, payload) => {
      const text = new TextDecoder().decode(payload);
      traffic(false, topic, text);
      this.#take(topic.slice(this.#topic.length), JSON.parse(text), documents);
    });
    let why = new Error("The connection was lost.");
    this.#client.on("disconnect", ({ reasonCode, properties }) => {
      const text = `The hub has ended the connection: ${properties?.reasonString ?? `reason ${reasonCode}`}.`;
      why = refuses(reasonCode) ? new Refusal(text) : new Error(text);
    });
    this.#client.on("error", (error) => { why = failure(error); });
    this.ended = new Promise((resolve) => this.#client.on("close", () => {
      resolve(why);
      this.#waiting.forEach(({ reject }) => reject(why));
    }));
  }

  close() {
    this.#client.end(true);
  }

  // get returns the shadow as it is.
  get() {
    return this.#request("get", {});
  }

  // desire says what is wanted of the thing.
  desire(state) {
    return this.#request("update", { state: { desired: state } });
  }

  // request publishes a request and returns the answer to it: others of this thing ask
  // too, on the same topics. An answer is sent once, so nobody waits for ever.
  async #request(name, body) {
    const clientToken = crypto.randomUUID(), topic = this.#topic + name, text = JSON.stringify({ ...body, clientToken });
    const { promise, resolve, reject } = Promise.withResolvers();
    const timer = setTimeout(() => reject(new Error("The hub did not answer in time.")), patience);
    this.#waiting.set(clientToken, { resolve, reject });
    this.#traffic(true, topic, text);
    this.#client.publish(topic, text, { qos: 1 }, (error) => error && reject(failure(error)));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(clientToken);
    }
  }

  #take(name, message, documents) {
    if (name === "update/documents") {
      documents(message.current);
    } else if (name.endsWith("/accepted")) {
      this.#waiting.get(message.clientToken)?.resolve(message);
    } else {
      this.#waiting.get(message.clientToken)?.reject(new Error(`The hub has rejected this: ${message.message} (${message.code}).`));
    }
  }
}
