// The page: who is signed in, whether the connection stands, and what the shadow says.

import * as cognito from "./identity.js";
import { presign } from "./sigv4.js";
import { Refusal, Shadow } from "./shadow.js";

const $ = (id) => document.getElementById(id);
const config = await (await fetch("config.json", { cache: "no-store" })).json();
const tab = crypto.randomUUID().slice(0, 8); // tells apart the client ids of one person's tabs

// session is who is signed in: username, refreshToken, and what was got with it. Only
// these two are kept, as long as the tab is open, so that the page can be reloaded.
let session = null;

// ---- Signing in ----

let joining; // name and password of the account that is to be confirmed

function enter(username, { IdToken, RefreshToken }) {
  sessionStorage.setItem("session", JSON.stringify({ username, refreshToken: RefreshToken }));
  begin({ username, refreshToken: RefreshToken, idToken: IdToken });
}

function begin(who) {
  session = who;
  $("person").textContent = who.username;
  $("door").hidden = true;
  $("house").hidden = $("session").hidden = false;
  clear();
  notice("");
  stayOnline(who);
}

// leave forgets who is signed in and shows the door.
function leave(message = "") {
  session?.shadow?.close();
  session = null;
  sessionStorage.removeItem("session");
  $("house").hidden = $("session").hidden = true;
  $("door").hidden = false;
  form("sign-in");
  notice(message);
}

function form(id) {
  notice("");
  for (const f of document.forms) {
    f.hidden = f.id !== id;
  }
  document.forms[id].querySelector("input").focus();
}

// onSubmit does what a form is for, once at a time, and shows what went wrong.
function onSubmit(id, action) {
  const f = document.forms[id], button = f.querySelector("button");
  f.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    notice("");
    try {
      await action(Object.fromEntries(new FormData(f)));
      f.reset();
    } catch (error) {
      notice(error.message);
      f.querySelector("label:last-of-type input").select(); // the password, or the code
    } finally {
      button.disabled = false;
    }
  });
}

onSubmit("sign-in", async ({ username, password }) => {
  try {
    enter(username, await cognito.signIn(config.client, username, password));
  } catch (error) {
    if (error.name !== "UserNotConfirmedException") {
      throw error;
    }
    joining = { username, password };
    form("confirm");
  }
});

onSubmit("sign-up", async ({ username, email, password }) => {
  await cognito.signUp(config.client, username, email, password);
  joining = { username, password };
  form("confirm");
});

onSubmit("confirm", async ({ code }) => {
  const { username, password } = joining;
  await cognito.confirm(config.client, username, code);
  enter(username, await cognito.signIn(config.client, username, password));
  joining = null;
});

$("resend").addEventListener("click", () => cognito.resend(config.client, joining.username).then(
  () => notice("Another code is on its way."), (error) => notice(error.message),
));

for (const link of document.querySelectorAll("[data-form]")) {
  link.addEventListener("click", () => form(link.dataset.form));
}

$("sign-out").addEventListener("click", () => {
  const { refreshToken } = session;
  leave();
  cognito.signOut(config.client, refreshToken).catch((error) => notice(`You are signed out here. ${error.message}`));
});

// ---- Being connected ----

// stayOnline connects, and again whenever the connection was lost or new credentials are
// due, until somebody signs out or the hub refuses.
async function stayOnline(mine) {
  for (let failures = 0; session === mine; ) {
    try {
      state("connecting");
      await renew(mine);
      const url = await presign(location.protocol === "https:" ? "wss:" : "ws:", location.host, config.region, mine.credentials);
      const shadow = await Shadow.connect({ url, clientId: `${mine.identity}-${tab}`, thing: config.thing, documents: showShadow, traffic: showTraffic });
      if (session !== mine) { // signed out meanwhile
        shadow.close();
        return;
      }
      mine.shadow = shadow;
      showShadow(await shadow.get());
      state("online");
      notice("");
      failures = 0;
      const why = await Promise.race([shadow.ended, due(mine)]);
      shadow.close();
      if (why) {
        throw why;
      }
      mine.credentials = null;
    } catch (error) {
      mine.shadow?.close();
      mine.shadow = null;
      if (session !== mine) {
        return;
      }
      const expired = mine.credentials && mine.credentials.expires <= new Date();
      if (error.name === "SignedOut") {
        leave(error.message);
      } else if (!expired && (error instanceof Refusal || error instanceof cognito.ServiceError && !error.transient)) {
        state("ended");
        notice(error.message, () => {
          mine.credentials = null;
          stayOnline(mine);
        });
        return;
      } else {
        state("offline");
        notice(`${error.message} Trying again …`);
        await new Promise((resolve) => setTimeout(resolve, Math.min(30_000, 500 * 2 ** failures++)));
      }
    }
  }
}

// renew gets credentials where there are none, or where new ones are due.
async function renew(mine) {
  if (mine.credentials && mine.credentials.expires - Date.now() > config.renewSeconds * 1000) {
    return;
  }
  if (!mine.idToken) {
    try {
      mine.idToken = (await cognito.refresh(config.client, mine.refreshToken)).IdToken;
    } catch (error) {
      if (error instanceof cognito.ServiceError && !error.transient) {
        throw Object.assign(new Error("Please sign in again."), { name: "SignedOut" });
      }
      throw error;
    }
  }
  const idToken = mine.idToken, logins = { [config.provider]: idToken };
  mine.idToken = null; // the next time there is a newer one
  mine.identity = await cognito.identityOf(config.identityPool, logins);
  mine.operator = (await cognito.post("access", { Authorization: `Bearer ${idToken}` })).operator;
  mine.credentials = await cognito.credentialsFor(mine.identity, logins);
  showSession(mine);
}

// due is fulfilled when it is time for new credentials.
async function due(mine) {
  const left = mine.credentials.expires - Date.now() - config.renewSeconds * 1000;
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, left)));
}

// ---- What is shown ----

let shown; // the latest document

const controls = $("controls"), target = $("target"), light = $("light");
let moving = false, asking = 0; // what people want is not what the shadow says yet

function clear() {
  shown = { version: 0, state: {} };
  $("temperature").textContent = "–";
  $("climate").textContent = "The greenhouse has not reported yet.";
  $("version").textContent = $("pending").textContent = "";
  $("identity").textContent = $("expires").textContent = "–";
  $("shadow").replaceChildren();
  $("traffic").replaceChildren();
}

// notice shows a message, and offers to try again.
function notice(text, again) {
  const [message, button] = $("notice").children;
  message.textContent = text;
  button.hidden = !again;
  button.onclick = again;
  $("notice").hidden = !text;
}

function state(name) {
  const texts = { online: "Connected", connecting: "Connecting …", offline: "Offline", ended: "Ended by the hub" };
  $("connection").dataset.state = name;
  $("connection").textContent = texts[name];
  controls.disabled = name !== "online" || !session.operator;
}

function showSession(mine) {
  $("identity").textContent = mine.identity;
  $("expires").textContent = mine.credentials.expires.toLocaleTimeString();
  $("expires").dateTime = mine.credentials.expires.toISOString();
  $("viewer").hidden = mine.operator;
}

const value = (v) => (v === undefined ? "" : typeof v === "boolean" ? (v ? "on" : "off") : String(v));
const celsius = (v) => (v === undefined ? "–" : `${v.toFixed(1)} °C`);

// showShadow shows a document, unless a later one was shown.
function showShadow(latest) {
  if (latest.version < shown.version) {
    return;
  }
  shown = latest;
  const { desired = {}, reported = {} } = latest.state;
  $("version").textContent = `version ${latest.version}`;
  const names = [...new Set([...Object.keys(desired), ...Object.keys(reported)])].sort();
  const waits = names.filter((name) => name in desired && desired[name] !== reported[name]);
  $("shadow").replaceChildren(...names.map((name) => {
    const row = document.createElement("tr");
    row.classList.toggle("differs", waits.includes(name));
    for (const text of [name, value(desired[name]), value(reported[name])]) {
      row.insertCell().textContent = text;
    }
    return row;
  }));
  $("pending").classList.toggle("differs", waits.length > 0);
  $("pending").textContent = waits.length > 0 ? `Waiting for the greenhouse: ${waits.join(", ")}` : "The greenhouse does what is desired.";

  $("temperature").textContent = celsius(reported.temperature);
  const verb = reported.heating ? "Heating up to" : reported.temperature > reported.target ? "Cooling down to" : "As it should be:";
  $("climate").textContent = `${verb} ${celsius(reported.target)}. The light is ${value(reported.light)}.`;
  if (!moving && asking === 0) {
    target.value = desired.target ?? reported.target;
    $("target-shown").value = celsius(desired.target ?? reported.target); // which may be out of the range
    light.checked = desired.light ?? reported.light ?? false;
  }
}

function showTraffic(ours, topic, text) {
  const line = document.createElement("li"), time = document.createElement("time"), name = document.createElement("b");
  time.textContent = new Date().toLocaleTimeString();
  name.textContent = `${ours ? "→" : "←"} ${topic.split("/").slice(3).join("/")}`;
  line.append(time, " ", name, ` ${text.slice(0, 300)}`);
  $("traffic").prepend(line);
  while ($("traffic").children.length > 8) {
    $("traffic").lastElementChild.remove();
  }
}

// ---- Changing it ----

// want says what is desired. Where that fails the page shows again what it was.
async function want(desired) {
  asking++;
  const error = await session.shadow.desire(desired).then(() => null, (e) => e);
  asking--;
  if (!error) {
    notice("");
    return;
  }
  showShadow(shown);
  if (session?.shadow) { // else there is a notice why not
    notice(`Nothing was changed. ${error.message}`);
  }
}

target.addEventListener("input", () => {
  moving = true;
  $("target-shown").value = celsius(target.valueAsNumber);
});
target.addEventListener("change", () => {
  moving = false;
  want({ target: target.valueAsNumber });
});
for (const button of document.querySelectorAll("[data-step]")) {
  button.addEventListener("click", () => {
    target.valueAsNumber += Number(button.dataset.step);
    target.dispatchEvent(new Event("input"));
    target.dispatchEvent(new Event("change"));
  });
}
light.addEventListener("change", () => want({ light: light.checked }));

// ---- The beginning ----

const kept = JSON.parse(sessionStorage.getItem("session"));
if (kept) {
  begin(kept);
} else {
  leave();
}
