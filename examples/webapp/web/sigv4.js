// Signature Version 4 for a WebSocket, where a browser cannot set headers: all of it goes
// into the query.

const text = new TextEncoder();
const hex = (buffer) => Array.from(new Uint8Array(buffer), (b) => b.toString(16).padStart(2, "0")).join("");
const sha256 = async (s) => hex(await crypto.subtle.digest("SHA-256", text.encode(s)));

async function hmac(key, message) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return crypto.subtle.sign("HMAC", imported, text.encode(message));
}

// presign returns the address of the MQTT gateway at a host ("hub.example:8443"), signed
// with credentials { id, secret, token }. It is good for a minute.
export async function presign(protocol, host, region, credentials, now = new Date()) {
  const time = now.toISOString().replace(/[:-]|\.\d+/g, ""); // 20060102T150405Z
  const scope = `${time.slice(0, 8)}/${region}/iotdevicegateway/aws4_request`;
  const query = Object.entries({ // in the order of the names
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": `${credentials.id}/${scope}`,
    "X-Amz-Date": time,
    "X-Amz-Expires": "60",
    "X-Amz-SignedHeaders": "host",
  }).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
  const request = ["GET", "/mqtt", query, `host:${host}\n`, "host", await sha256("")].join("\n");
  let key = text.encode(`AWS4${credentials.secret}`);
  for (const part of scope.split("/")) {
    key = await hmac(key, part);
  }
  const signature = hex(await hmac(key, ["AWS4-HMAC-SHA256", time, scope, await sha256(request)].join("\n")));
  // The IoT gateway takes the session token after the signature, as nothing that is signed.
  return `${protocol}//${host}/mqtt?${query}&X-Amz-Signature=${signature}&X-Amz-Security-Token=${encodeURIComponent(credentials.token)}`;
}
