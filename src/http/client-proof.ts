/** Finds what a client proves itself with in a request, in exactly one place (RFC 6749 section 2.3.1, RFC 7521 section 4.2). Never checks it. */
import { assertionType } from '../identity/assertions.ts'
import { OauthError } from '../tokens/oauth-error.ts'
import { type Form, formDecode } from './form.ts'

type ClientCredentials = { client: string; secret: string }

export type ClientProof = ClientCredentials | { assertion: string; client: string | undefined }

export function clientProof(authorization: string | null, form: Form): ClientProof {
  const assertion = form.get('client_assertion')
  if (assertion !== undefined) return asserted(assertion, authorization, form)
  return authorization === null ? posted(form) : basic(authorization, form)
}

function asserted(assertion: string, authorization: string | null, form: Form): ClientProof {
  if (authorization !== null || form.has('client_secret')) {
    throw new OauthError(
      'invalid_request',
      'Prove who you are once: with a secret or with an assertion.',
    )
  }
  if (form.get('client_assertion_type') !== assertionType) {
    throw new OauthError('invalid_request', `The client_assertion_type here is ${assertionType}.`)
  }
  return { assertion, client: form.get('client_id') }
}

function posted(form: Form): ClientCredentials {
  const client = form.get('client_id')
  const secret = form.get('client_secret')
  if (client === undefined || secret === undefined) {
    throw new OauthError(
      'invalid_client',
      'Authenticate with the client id and secret, by HTTP Basic or as client_id and client_secret in the body, or with a signed client_assertion.',
    )
  }
  return { client, secret }
}

function basic(authorization: string, form: Form): ClientCredentials {
  if (form.has('client_secret')) {
    throw new OauthError(
      'invalid_request',
      'Send the client secret once: in the Authorization header or in the body.',
    )
  }
  const found = decodeBasic(authorization)
  if (found === null) {
    throw new OauthError(
      'invalid_client',
      'The Authorization header is not HTTP Basic with a form-encoded client id and secret: Basic base64(id:secret).',
    )
  }
  const named = form.get('client_id')
  if (named !== undefined && named !== found.client) {
    throw new OauthError(
      'invalid_request',
      'The client_id in the body is another than the one in the header: leave it out.',
    )
  }
  return found
}

function decodeBasic(authorization: string): ClientCredentials | null {
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1]
  if (encoded === undefined) return null
  const bytes = Buffer.from(encoded, 'base64')
  if (bytes.toString('base64') !== encoded) return null
  const text = bytes.toString('latin1')
  const at = text.indexOf(':')
  if (at < 1) return null
  const client = formDecode(text.slice(0, at))
  const secret = formDecode(text.slice(at + 1))
  return client === null || secret === null ? null : { client, secret }
}
