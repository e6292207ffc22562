/** The operators' API over a fresh broker with an admin who is signed in. */
import type { z } from 'zod'
import { adminRoutes } from '../../../src/http/admin/admin.ts'
import { enrol, enrolmentCode } from '../../../src/identity/operators.ts'
import type { StoreKind } from '../../support/stores.ts'
import { broker } from '../../tokens/broker.ts'

export const passphrase = 'correct horse battery staple'

export async function operatorPlane(kind: StoreKind) {
  const ctx = await broker(kind)
  const app = adminRoutes(ctx)

  async function ask(method: string, path: string, body?: unknown, token?: string) {
    return app.request(path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  }

  /** The answer's body as the shape that the test expects, or a failure that shows what came. */
  async function told<T extends z.ZodType>(shape: T, response: Response): Promise<z.infer<T>> {
    const text = await response.text()
    if (!response.ok) throw new Error(`${response.status} ${text}`)
    return shape.parse(JSON.parse(text))
  }

  async function codeOf(response: Response): Promise<string> {
    const document: unknown = await response.json()
    return `${response.status} ${String(Object(document)['code'])}`
  }

  const first = await enrolmentCode(ctx)
  if (first === null) throw new Error('there is an operator already')
  const session = await enrol(ctx, {
    code: first.code.reveal(),
    name: 'ada',
    passphrase,
    address: 'unknown',
  })
  const token = session.token.reveal()
  return {
    ctx,
    ask,
    told,
    codeOf,
    token,
    admin: (method: string, path: string, body?: unknown) => ask(method, path, body, token),
  }
}
