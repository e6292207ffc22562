import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { stores } from '../../support/stores.ts'
import { operatorPlane, passphrase } from './signed-in.ts'

const Invitation = z.object({ code: z.string(), role: z.string(), expires_at: z.iso.datetime() })
const SignedIn = z.object({ token: z.string() })

describe.each(stores)('/admin/operators on %s', (kind) => {
  let plane: Awaited<ReturnType<typeof operatorPlane>>

  async function join(name: string, role: string) {
    const invited = await plane.admin('POST', '/admin/operators/invitations', { role })
    const { code } = await plane.told(Invitation, invited)
    const enrolled = await plane.ask('POST', '/admin/session', { code, name, passphrase })
    return (await plane.told(SignedIn, enrolled)).token
  }

  beforeAll(async () => {
    plane = await operatorPlane(kind)
  })

  it('invites, lists and removes operators', async () => {
    const token = await join('bob', 'auditor')
    const listed = await plane.ask('GET', '/admin/operators', undefined, token)
    const { operators } = await plane.told(
      z.object({
        operators: z.array(z.object({ name: z.string(), role: z.string(), sessions: z.int() })),
      }),
      listed,
    )
    expect(operators.map(({ name, role, sessions }) => [name, role, sessions])).toEqual([
      ['ada', 'admin', 1],
      ['bob', 'auditor', 1],
    ])
    expect((await plane.admin('DELETE', '/admin/operators/bob')).status).toBe(204)
    const after = await plane.ask('GET', '/admin/operators', undefined, token)
    expect(await plane.codeOf(after)).toBe('401 not-signed-in')
  })

  it('keeps the last admin', async () => {
    const response = await plane.admin('DELETE', '/admin/operators/ada')
    expect(await plane.codeOf(response)).toBe('409 conflict')
  })

  it('lets only an admin change anything', async () => {
    for (const role of ['auditor', 'approver']) {
      const token = await join(`a-${role}`, role)
      const edits: [string, string, unknown?][] = [
        ['POST', '/admin/operators/invitations', { role: 'admin' }],
        ['DELETE', '/admin/operators/ada'],
        ['POST', '/admin/agents', { name: 'x', scopes: [] }],
        ['DELETE', '/admin/agents/x'],
        ['PUT', '/admin/agents/x/grants/y'],
        ['DELETE', '/admin/agents/x/grants/y'],
        ['POST', '/admin/agents/x/secrets', {}],
        ['DELETE', '/admin/capabilities/x'],
        ['POST', '/admin/keys/rotate', { which: 'signing' }],
      ]
      for (const [method, path, body] of edits) {
        expect(await plane.codeOf(await plane.ask(method, path, body, token))).toBe('403 forbidden')
        expect(await plane.codeOf(await plane.ask(method, path, body))).toBe('401 not-signed-in')
      }
    }
  })

  it('refuses an unknown role and an unknown field', async () => {
    for (const body of [{ role: 'root' }, { role: 'admin', name: 'x' }, {}]) {
      const response = await plane.admin('POST', '/admin/operators/invitations', body)
      expect(await plane.codeOf(response)).toBe('400 malformed-request')
    }
  })
})
