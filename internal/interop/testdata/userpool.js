'use strict'
// Drives user pools with amazon-cognito-identity-js: node userpool.js URL POOL CLIENT.
// Each check writes a line of JSON: its name, and its error if there was one. What it
// returns is an ID token that the pool has to accept.
const crypto = require('node:crypto')
const assert = require('node:assert')
const cognito = require('amazon-cognito-identity-js')

const [url, poolId, clientId] = process.argv.slice(2)
const password = 'Passw0rd!'

const poolOf = (change) => new cognito.CognitoUserPool({ UserPoolId: poolId, ClientId: clientId, endpoint: url, ...change })
const userOf = (name, pool = poolOf()) => new cognito.CognitoUser({ Username: name, Pool: pool })
const mail = async (to) => (await fetch(`${url}/mail/${encodeURIComponent(to)}`)).text()

// call makes a promise of a function whose last argument is callback(err, result).
const call = (object, method, ...args) => new Promise((resolve, reject) =>
  object[method](...args, (err, result) => err ? reject(err) : resolve(result)))

// flow makes a promise of a function that takes onSuccess, onFailure and more; what asks
// for more rejects with its name.
const flow = (object, method, ...args) => new Promise((resolve, reject) => {
  const ask = (name) => (...given) => reject(Object.assign(new Error(name), { ask: name, given }))
  const callbacks = { onSuccess: resolve, onFailure: reject }
  for (const name of ['newPasswordRequired', 'totpRequired', 'mfaSetup', 'mfaRequired', 'customChallenge', 'inputVerificationCode']) callbacks[name] = ask(name)
  if (method === 'forgotPassword') callbacks.inputVerificationCode = resolve
  object[method](...args, callbacks)
})

const details = (name, secret) => new cognito.AuthenticationDetails({ Username: name, Password: secret })
const srp = (user, secret = password) => flow(user, 'authenticateUser', details(user.getUsername(), secret))

const fails = async (promise, code) => {
  await assert.rejects(promise, (err) => { assert.strictEqual(err.code ?? err.name, code, String(err)); return true })
}

// totp is what an authenticator app shows.
function totp (secret, ahead = 0) {
  const bits = [...secret].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + ahead))
  const h = crypto.createHmac('sha1', key).update(counter).digest()
  return String((h.readUInt32BE(h[19] & 15) & 0x7fffffff) % 1000000).padStart(6, '0')
}

const alice = userOf('alice')

const checks = {
  async 'sign up' () {
    const attributes = [new cognito.CognitoUserAttribute({ Name: 'email', Value: 'alice@example.com' })]
    const r = await call(poolOf(), 'signUp', 'alice', password, attributes, [])
    assert.strictEqual(r.userConfirmed, false)
    assert.match(r.userSub, /^[0-9a-f-]{36}$/)
    assert.strictEqual(r.codeDeliveryDetails.Destination, 'a***@e***')
    await fails(srp(alice), 'UserNotConfirmedException')
    await fails(call(poolOf(), 'signUp', 'bob', 'short', [], []), 'InvalidPasswordException')
    await fails(call(poolOf(), 'signUp', 'alice', password, [], []), 'UsernameExistsException')
  },
  async 'confirm' () {
    await fails(call(alice, 'confirmRegistration', 'wrong', false), 'CodeMismatchException')
    await call(alice, 'resendConfirmationCode')
    assert.strictEqual(await call(alice, 'confirmRegistration', await mail('alice@example.com'), false), 'SUCCESS')
  },
  async 'sign in by SRP' () {
    const session = await srp(alice)
    assert.strictEqual(session.isValid(), true)
    assert.strictEqual(session.getIdToken().payload['cognito:username'], 'alice')
    assert.strictEqual(session.getIdToken().payload.email_verified, true)
    return session.getIdToken().getJwtToken()
  },
  async 'sign in by SRP with an alias' () {
    const session = await srp(userOf('Alice@Example.com'))
    return session.getIdToken().getJwtToken()
  },
  async 'sign in by SRP again and again' () { // for numbers with leading zeros and high bits
    for (let i = 0; i < 40; i++) assert.strictEqual((await srp(userOf('alice'))).isValid(), true)
  },
  async 'wrong password, unknown user' () {
    await fails(srp(userOf('alice'), 'Wrong0ne!'), 'NotAuthorizedException')
    await fails(srp(userOf('nobody')), 'NotAuthorizedException')
    await fails(srp(userOf('nobody@example.com')), 'NotAuthorizedException')
  },
  async 'sign in by password' () {
    const user = userOf('alice')
    user.setAuthenticationFlowType('USER_PASSWORD_AUTH')
    const session = await flow(user, 'authenticateUser', details('alice', password))
    return session.getIdToken().getJwtToken()
  },
  async 'refresh' () {
    const session = await call(alice, 'refreshSession', alice.getSignInUserSession().getRefreshToken())
    assert.strictEqual(session.isValid(), true)
    return session.getIdToken().getJwtToken()
  },
  async 'attributes' () {
    assert.strictEqual(await call(alice, 'updateAttributes', [new cognito.CognitoUserAttribute({ Name: 'name', Value: 'Alice' })]), 'SUCCESS')
    const list = await call(alice, 'getUserAttributes')
    assert.strictEqual(list.find((a) => a.Name === 'name').Value, 'Alice')
    assert.strictEqual(await call(alice, 'deleteAttributes', ['name']), 'SUCCESS')
    const data = await call(alice, 'getUserData')
    assert.strictEqual(data.Username, 'alice')
    await new Promise((resolve, reject) => alice.getAttributeVerificationCode('email', { onSuccess: resolve, onFailure: reject, inputVerificationCode: resolve }))
    assert.strictEqual(await flow(alice, 'verifyAttribute', 'email', await mail('alice@example.com')), 'SUCCESS')
  },
  async 'change the password' () {
    await fails(call(alice, 'changePassword', 'Wrong0ne!', 'An0ther!pass'), 'NotAuthorizedException')
    assert.strictEqual(await call(alice, 'changePassword', password, 'An0ther!pass'), 'SUCCESS')
    await srp(alice, 'An0ther!pass')
  },
  async 'forget the password' () {
    await flow(alice, 'forgotPassword')
    await flow(alice, 'confirmPassword', await mail('alice@example.com'), password)
    await srp(alice)
    await flow(userOf('nobody'), 'forgotPassword') // nobody learns it
  },
  async 'a temporary password' () {
    const user = userOf('temp')
    const err = await srp(user, 'T3mporary!').catch((e) => e)
    assert.strictEqual(err.ask, 'newPasswordRequired', String(err))
    const session = await flow(user, 'completeNewPasswordChallenge', 'Br4nd-new!', {})
    await srp(userOf('temp'), 'Br4nd-new!')
    return session.getIdToken().getJwtToken()
  },
  async 'a software token' () {
    const secret = await new Promise((resolve, reject) => alice.associateSoftwareToken({ associateSecretCode: resolve, onFailure: reject }))
    await fails(flow(alice, 'verifySoftwareToken', totp(secret, 100), 'phone'), 'EnableSoftwareTokenMFAException')
    await flow(alice, 'verifySoftwareToken', totp(secret, -1), 'phone')
    assert.strictEqual(await call(alice, 'setUserMfaPreference', null, { PreferredMfa: true, Enabled: true }), 'SUCCESS')
    const user = userOf('alice')
    const err = await srp(user).catch((e) => e)
    assert.strictEqual(err.ask, 'totpRequired', String(err))
    const session = await flow2(user, 'sendMFACode', totp(secret), 'SOFTWARE_TOKEN_MFA')
    assert.strictEqual(await call(user, 'setUserMfaPreference', null, { PreferredMfa: false, Enabled: false }), 'SUCCESS')
    return session.getIdToken().getJwtToken()
  },
  async 'sign out everywhere' () {
    await srp(alice)
    await flow(alice, 'globalSignOut')
    const other = userOf('alice')
    await srp(other)
    const token = other.getSignInUserSession().getRefreshToken()
    await call({ f: (cb) => other.signOut(cb) }, 'f') // revokes the refresh token
    await fails(call(userOf('alice'), 'refreshSession', token), 'NotAuthorizedException')
  },
  async 'delete' () {
    await srp(alice)
    await call(alice, 'deleteUser')
    await fails(srp(userOf('alice')), 'NotAuthorizedException')
  }
}

// flow2 is flow for functions that take the callbacks before their last argument.
function flow2 (object, method, first, last) {
  return new Promise((resolve, reject) => object[method](first, { onSuccess: resolve, onFailure: reject }, last))
}

(async () => {
  for (const [check, f] of Object.entries(checks)) {
    let error = ''
    try {
      const token = await f()
      if (token !== undefined) {
        const r = await fetch(`${url}/verify`, { method: 'POST', body: token })
        assert.strictEqual(r.status, 200, await r.text())
      }
    } catch (err) {
      error = String(err?.stack ?? err)
    }
    console.log(JSON.stringify({ check, error }))
  }
})()
