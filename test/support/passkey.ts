/** An operator with a passkey, as the console's own page would be: a software authenticator, a cookie, and every touch bound to what was asked. */
import { type Authenticator, createAuthenticator, type How } from '../../src/demo/authenticator.ts'
import { type Answer, expectOk, type Front, field, send } from './broker.ts'

export type Key = {
  operator: string
  authenticator: Authenticator
  cookie: string
  recoveryCodes: string[]
  /** A POST as the console's script sends it. */
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  request(method: string, path: string, body?: unknown): Promise<Answer>
  /** Asks `${ask}` for what to sign, signs it, and posts the assertion to `${path}` with the rest of the body. */
  touch(
    ask: string,
    path: string,
    options?: { asked?: unknown; rest?: Record<string, unknown>; how?: How; method?: string },
  ): Promise<Answer>
}

type At = Pick<Front, 'broker'>

/** The first operator `ada` with the code of the start, or whom an invitation is for. Ends set-up mode. */
export async function passkey(
  at: At,
  operator = 'ada',
  code = at.broker.enrolment?.code.reveal() ?? '',
): Promise<Key> {
  const authenticator = createAuthenticator(at.broker.ctx.consoleUrl)
  const page = pageOf(at, '')
  const options = expectOk(
    await page('POST', '/console/api/enrol/options', { code, name: operator }),
  )
  const enrolled = expectOk(
    await page('POST', '/console/api/enrol', {
      code,
      name: operator,
      label: 'test key',
      // What the options route answers is what an authenticator takes.
      response: authenticator.create(options.json as never),
    }),
  )
  return keyWith(
    at,
    operator,
    authenticator,
    cookieOf(enrolled),
    // The route's own shape.
    enrolled.json['recovery_codes'] as string[],
  )
}

/** A further session of the same passkey. */
export async function signIn(at: At, { operator, authenticator }: Key): Promise<Key> {
  const page = pageOf(at, '')
  const options = expectOk(await page('POST', '/console/api/sign-in/options', {}))
  const response = authenticator.get(options.json as never)
  const signed = expectOk(await page('POST', '/console/api/sign-in', { response }))
  return keyWith(at, operator, authenticator, cookieOf(signed), [])
}

function keyWith(
  at: At,
  operator: string,
  authenticator: Authenticator,
  cookie: string,
  recoveryCodes: string[],
): Key {
  const page = pageOf(at, cookie)
  return {
    operator,
    authenticator,
    cookie,
    recoveryCodes,
    post: (path, body = {}, headers = {}) => page('POST', path, body, headers),
    request: (method, path, body) => page(method, path, body),
    touch: async (ask, path, { asked = {}, rest = {}, how = {}, method = 'POST' } = {}) => {
      const options = expectOk(await page('POST', ask, asked))
      const response = authenticator.get(options.json as never, how)
      return page(method, path, { ...rest, response })
    },
  }
}

/** Requests as the console's own page makes them. */
export function pageOf(at: At, cookie: string) {
  const { operatorUrl, ctx } = at.broker
  return (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> =>
    send(operatorUrl + path, {
      method,
      headers: {
        origin: ctx.consoleUrl,
        'sec-fetch-site': 'same-origin',
        ...(cookie === '' ? {} : { cookie }),
        ...(body === undefined ? {} : { 'content-type': 'application/json', 'x-valetkey': '1' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: 'manual',
    })
}

function cookieOf({ headers }: Answer): string {
  const [first] = headers.getSetCookie()
  if (first === undefined) throw new Error('no cookie was set')
  return first.split(';', 1)[0] ?? ''
}

/** Changes as an operator sees them now: what the console's page hands back when it asks for a touch. */
export async function seen(at: Pick<Front, 'admin'>, ids: readonly string[]) {
  const shown = await Promise.all(ids.map((id) => at.admin('GET', `/admin/changes/${id}`)))
  return { changes: shown.map((one) => ({ id: field(one, 'id'), digest: field(one, 'digest') })) }
}

/** Looks at changes and confirms them. */
export async function confirm(
  at: Pick<Front, 'admin'>,
  key: Key,
  ids: readonly string[],
  how: How = {},
): Promise<Answer> {
  return key.touch('/console/api/changes/options', '/console/api/changes/confirm', {
    asked: await seen(at, ids),
    rest: { ids },
    how,
  })
}

/** The change that an edit left waiting. */
export function changeIn(answer: Answer): string {
  if (answer.status !== 202) throw new Error(`nothing waits: ${answer.status} ${answer.text}`)
  return field(answer, 'change')
}
