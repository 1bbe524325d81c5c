// What a page needs of Amazon Cognito, or of a hub that speaks its protocol: each
// operation is one POST. The AWS SDKs do the same when their endpoint is set.

const endpoint = new URL("identity/", location.href);

// A ServiceError is a refusal. Its name is the type of it, "NotAuthorizedException" say,
// and its message is for people.
export class ServiceError extends Error {
  constructor(name, message, status) {
    super(message);
    this.name = name;
    // Trying again later may help.
    this.transient = status >= 500 || status === 429 || name === "TooManyRequestsException";
  }
}

// post sends something and returns the answer.
export async function post(url, headers, input) {
  const response = await fetch(url, {
    method: "POST", headers, body: input && JSON.stringify(input), cache: "no-store", signal: AbortSignal.timeout(15_000),
  }).catch(() => {
    throw new ServiceError("Unreachable", "The hub cannot be reached.", 503);
  });
  const output = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new ServiceError(output.__type ?? "Error", output.message ?? `The hub answered ${response.status}.`, response.status);
  }
  return output;
}

const call = (target, input) => post(endpoint, { "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target }, input);
const users = (operation, input) => call(`AWSCognitoIdentityProviderService.${operation}`, input);
const identities = (operation, input) => call(`AWSCognitoIdentityService.${operation}`, input);

// signIn returns { IdToken, AccessToken, RefreshToken, ExpiresIn }. The password goes to
// the hub as it is, so the page must come over HTTPS, or from this machine.
export async function signIn(client, username, password) {
  return tokens(await users("InitiateAuth", {
    ClientId: client, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters: { USERNAME: username, PASSWORD: password },
  }));
}

// refresh returns new tokens for a refresh token.
export async function refresh(client, refreshToken) {
  return tokens(await users("InitiateAuth", {
    ClientId: client, AuthFlow: "REFRESH_TOKEN_AUTH", AuthParameters: { REFRESH_TOKEN: refreshToken },
  }));
}

function tokens(answer) {
  if (!answer.AuthenticationResult) {
    throw new ServiceError(answer.ChallengeName, `This account needs a further step (${answer.ChallengeName}), which this page does not have.`, 400);
  }
  return answer.AuthenticationResult;
}

// signOut ends what a refresh token stands for, with all tokens that were made with it.
export const signOut = (client, refreshToken) => users("RevokeToken", { ClientId: client, Token: refreshToken });

export const signUp = (client, username, email, password) => users("SignUp", {
  ClientId: client, Username: username, Password: password, UserAttributes: [{ Name: "email", Value: email }],
});
export const confirm = (client, username, code) => users("ConfirmSignUp", { ClientId: client, Username: username, ConfirmationCode: code });
export const resend = (client, username) => users("ResendConfirmationCode", { ClientId: client, Username: username });

// identityOf returns the id of the identity that a login belongs to: the same one each time.
export async function identityOf(pool, logins) {
  return (await identities("GetId", { IdentityPoolId: pool, Logins: logins })).IdentityId;
}

// credentialsFor exchanges a login for temporary credentials.
export async function credentialsFor(identity, logins) {
  const { Credentials: c } = await identities("GetCredentialsForIdentity", { IdentityId: identity, Logins: logins });
  return { id: c.AccessKeyId, secret: c.SecretKey, token: c.SessionToken, expires: new Date(c.Expiration * 1000) };
}
