'use strict'
// Signs a user in by SRP with amazon-cognito-identity-js and writes their tokens as JSON:
// node signin.js URL POOL CLIENT USER PASSWORD.
const cognito = require('amazon-cognito-identity-js')

const [endpoint, UserPoolId, ClientId, Username, Password] = process.argv.slice(2)
const user = new cognito.CognitoUser({ Username, Pool: new cognito.CognitoUserPool({ UserPoolId, ClientId, endpoint }) })
user.authenticateUser(new cognito.AuthenticationDetails({ Username, Password }), {
  onSuccess: (session) => console.log(JSON.stringify({ id: session.getIdToken().getJwtToken(), access: session.getAccessToken().getJwtToken() })),
  onFailure: (err) => { throw err }
})
