/** What reading a call of a described API costs, with a catalogue of ten operations and with one of three thousand. */
import { describeByHand } from '../../src/providers/rest/by-hand.ts'
import { compileRest } from '../../src/providers/rest/catalogue.ts'
import { readRest } from '../../src/providers/rest/read.ts'
import type { Claim } from './table.ts'

const rounds = 50_000

export function readingClaims(): Claim[] {
  const [few, many] = [10, 3_000].map((operations) => microseconds(operations))
  if (few === undefined || many === undefined) throw new Error('nothing was measured')
  return [
    {
      what: 'reading a REST call, of 10 and of 3,000 operations',
      value: `${few.toFixed(2)} µs, ${many.toFixed(2)} µs`,
      goal: { words: 'the same', met: many < 1.5 * few },
    },
  ]
}

/** For one call, once the code is warm; the lesser of several runs, since others use the machine too. */
function microseconds(operations: number): number {
  const catalogue = compileRest(
    describeByHand(
      Array.from({ length: operations }, (_, i) => ({
        route: `POST /group${i % 50}/{group_id}/things${i}/{thing_id}`,
        effects: ['write' as const],
      })),
    ),
    {},
  )
  const call = {
    method: 'POST',
    segments: ['group3', 'one', 'things3', 'two'],
    query: [['verbose', 'yes'] as const],
    contentType: 'application/json',
    body: Buffer.from('{"name":"x","labels":["a","b"],"nested":{"value":1}}'),
  }
  const runs = [1, 2, 3, 4].map(() => {
    const began = performance.now()
    for (let i = 0; i < rounds; i += 1) readRest(catalogue, call)
    return ((performance.now() - began) * 1_000) / rounds
  })
  return Math.min(...runs)
}
