/** An authenticator in software (WebAuthn Level 3), for rehearsals: it says that a human was there, and none was. Never used by the broker. */
import { createHash, createSign, generateKeyPairSync, randomBytes } from 'node:crypto'

/** The parts of a browser's options that an authenticator acts on. */
export type CreationOptions = { challenge: string; rp: { id?: string }; user: { id: string } }
export type RequestOptions = { challenge: string; rpId?: string }

export type Authenticator = {
  /** The id of its one credential, base64url. */
  id: string
  /** Answers `navigator.credentials.create`, as JSON. */
  create(options: CreationOptions, how?: How): Made
  /** Answers `navigator.credentials.get`, as JSON. */
  get(options: RequestOptions, how?: How): Signed
}

/** What a browser would fill in; given otherwise to try what must be refused. */
export type How = {
  origin?: string
  rpId?: string
  userVerified?: boolean
  /** What the counter says; else it counts up. */
  counter?: number
}

type Made = {
  id: string
  rawId: string
  type: 'public-key'
  response: { clientDataJSON: string; attestationObject: string; transports: string[] }
}

type Signed = {
  id: string
  rawId: string
  type: 'public-key'
  response: { clientDataJSON: string; authenticatorData: string; signature: string }
}

export function createAuthenticator(page: string): Authenticator {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const credential = randomBytes(32)
  const id = credential.toString('base64url')
  let count = 0

  const clientData = (type: string, challenge: string, origin: string) =>
    Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false }))

  const authenticatorData = (rpId: string, how: How, flags: number, rest: Buffer) => {
    count = how.counter ?? count + 1
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(count)
    const verified = how.userVerified === false ? 0 : 0x04
    return Buffer.concat([
      createHash('sha256').update(rpId).digest(),
      Buffer.from([0x01 | verified | flags]),
      counter,
      rest,
    ])
  }

  return {
    id,
    create: (options, how = {}) => {
      const rpId = how.rpId ?? options.rp.id ?? new URL(page).hostname
      const attested = Buffer.concat([
        Buffer.alloc(16),
        Buffer.from([0, credential.length]),
        credential,
        coseKey(Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')),
      ])
      const data = authenticatorData(rpId, how, 0x40, attested)
      return {
        ...{ id, rawId: id, type: 'public-key' },
        response: {
          clientDataJSON: clientData(
            'webauthn.create',
            options.challenge,
            how.origin ?? page,
          ).toString('base64url'),
          attestationObject: attestation(data).toString('base64url'),
          transports: ['internal'],
        },
      }
    },
    get: (options, how = {}) => {
      const rpId = how.rpId ?? options.rpId ?? new URL(page).hostname
      const data = authenticatorData(rpId, how, 0, Buffer.alloc(0))
      const client = clientData('webauthn.get', options.challenge, how.origin ?? page)
      const signed = Buffer.concat([data, createHash('sha256').update(client).digest()])
      return {
        ...{ id, rawId: id, type: 'public-key' },
        response: {
          clientDataJSON: client.toString('base64url'),
          authenticatorData: data.toString('base64url'),
          signature: createSign('sha256').update(signed).sign(privateKey).toString('base64url'),
        },
      }
    },
  }
}

/** COSE_Key of an ES256 key (RFC 9053, section 7.1.1): kty EC2, alg ES256, crv P-256, x, y. */
function coseKey(x: Buffer, y: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]),
    x,
    Buffer.from([0x22, 0x58, 0x20]),
    y,
  ])
}

/** `{fmt: "none", attStmt: {}, authData}` in CBOR (RFC 8949). */
function attestation(data: Buffer): Buffer {
  const length = Buffer.from([0x59, data.length >> 8, data.length & 0xff])
  return Buffer.concat([
    Buffer.from([0xa3]),
    text('fmt'),
    text('none'),
    text('attStmt'),
    Buffer.from([0xa0]),
    text('authData'),
    length,
    data,
  ])
}

/** A text of fewer than 24 bytes. */
function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([0x60 | value.length]), Buffer.from(value)])
}
