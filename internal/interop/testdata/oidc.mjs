// An OpenID Connect provider of another make (oidc-provider, which is certified). Its
// arguments are where else the clients "hub" and "other" may send people back to. It writes
// its address, then answers lines on its standard input: "rotate" gives it another key to
// sign with.
import { createServer } from 'node:http'
import { generateKeyPairSync } from 'node:crypto'
import { createInterface } from 'node:readline'
import { Provider } from 'oidc-provider'

const [hubBack, otherBack] = process.argv.slice(2)

const key = (kid) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' }
}

let current
const make = (issuer, keys) => {
  const provider = new Provider(issuer, {
    clients: [
      { client_id: 'hub', client_secret: 's3:cret/+', redirect_uris: ['https://hub.test/back', hubBack].filter(Boolean), id_token_signed_response_alg: 'ES256', grant_types: ['authorization_code', 'client_credentials'] },
      { client_id: 'other', client_secret: 'x', redirect_uris: ['https://other.test/back', otherBack].filter(Boolean), id_token_signed_response_alg: 'ES256' },
    ],
    jwks: { keys },
    cookies: { keys: ['a test'] },
    pkce: { required: () => true },
    conformIdTokenClaims: false,
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.com` }) }),
    features: {
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx, client, oneOf) => oneOf ?? (ctx.oidc.params?.grant_type === 'client_credentials' ? 'urn:hub' : undefined),
        getResourceServerInfo: () => ({ scope: '', audience: 'urn:hub', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
      },
    },
  })
  return provider.callback()
}

const server = createServer((req, res) => current(req, res))
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  current = make(issuer, [key('k1')])
  console.log(issuer)
  createInterface({ input: process.stdin }).on('line', () => {
    current = make(issuer, [key('k2')])
    console.log('rotated')
  }).on('close', () => process.exit())
})
