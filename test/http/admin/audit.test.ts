/** The audit log over HTTP: found, followed, exported and verified by whoever may read it. */
import { beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { verifyExport } from '../../../src/audit/verify.ts'
import { operatorPlane, type Plane } from '../../support/operator-plane.ts'
import { stores } from '../../support/stores.ts'

const Page = z.object({
  entries: z.array(z.looseObject({ seq: z.int(), kind: z.string() })),
  head: z.object({ seq: z.int(), hash: z.string() }),
})
const Keys = z.object({
  keys: z.array(
    z.strictObject({
      kid: z.string(),
      kty: z.string(),
      crv: z.string(),
      x: z.string(),
      alg: z.string(),
      use: z.string(),
    }),
  ),
})

let plane: Plane

const read = async (query: string) =>
  Page.parse((await plane.call('GET', `/admin/audit?${query}`)).json)

describe.each(stores)('on %s', (kind) => {
  beforeAll(async () => {
    plane = await operatorPlane(kind)
    for (const number of [1, 2, 3]) {
      const outcome = number === 3 ? 'frozen' : 'allow'
      await plane.ctx.journal.append({
        ...{ kind: 'call', request: `req_${number}`, agent: 'cursor', outcome },
        ...{ connection: 'railway', operation: 'Query.project', facts: { number } },
      })
    }
  })

  test('entries are found by what they say, newest first, up to the head', async () => {
    const { entries, head } = await read('agent=cursor&limit=2')
    expect(entries).toMatchObject([
      { request: 'req_3', kind: 'call', outcome: 'frozen', facts: { number: 3 } },
      { request: 'req_2', connection: 'railway', operation: 'Query.project' },
    ])
    expect(head).toEqual(plane.ctx.journal.head())
    expect(entries[0]).toMatchObject({ seq: head.seq, hash: head.hash, v: 1 })
    expect((await read(`agent=cursor&before=${entries[1]?.seq}`)).entries).toHaveLength(1)
    expect((await read('outcome=frozen&kind=call')).entries).toHaveLength(1)
    expect((await read('since=2999-01-01T00:00:00Z')).entries).toEqual([])
    expect((await read('operation=Query.nothing')).entries).toEqual([])
  })

  test('following waits for the next entry, and gets it', async () => {
    const { head } = await read('limit=1')
    const following = read(`after=${head.seq}&wait=20`)
    await plane.ctx.journal.append({ kind: 'outcome', request: 'req_1', outcome: 'ok' })
    expect((await following).entries).toMatchObject([{ kind: 'outcome', seq: head.seq + 1 }])
  })

  test('an export verifies with the keys that another route gave', async () => {
    const answer = await plane.call('GET', '/admin/audit/export')
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson')
    const { keys } = Keys.parse((await plane.call('GET', '/admin/audit/keys')).json)
    const report = await verifyExport(answer.text.trimEnd().split('\n'), { keys })
    expect(report).toMatchObject({ ok: true, calls: 3, head: plane.ctx.journal.head() })
    expect((await plane.call('GET', '/admin/audit/verification')).json).toMatchObject({
      ok: true,
      entries: report.entries,
      problems: [],
      unknown: report.unknown,
    })
  })

  test('an auditor may read all of it', async () => {
    for (const path of ['', '/export', '/keys', '/verification']) {
      const answer = await plane.call('GET', `/admin/audit${path}`, undefined, plane.auditor)
      expect(answer.status, path).toBe(200)
    }
  })

  test('what is out of bounds, or not known, is refused', async () => {
    for (const query of ['limit=0', 'limit=501', 'wait=31', 'after=-1', 'kind=x', 'agnet=cursor']) {
      const { status, json } = await plane.call('GET', `/admin/audit?${query}`)
      expect({ status, json }, query).toMatchObject({
        status: 400,
        json: { code: 'malformed-request' },
      })
    }
  })
})
