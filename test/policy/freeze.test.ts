import { expect, test } from 'vitest'
import { type Freeze, freezeOn, frozen } from '../../src/policy/freeze.ts'

const cursor = { agent: 'cursor', environment: 'staging', scopes: ['reads', 'work'] }

function freezes(...subjects: string[]): Map<string, Freeze> {
  const createdAt = new Date('2026-05-01T10:00:00Z')
  return new Map(
    subjects.map((subject) => [
      subject,
      { id: `frz_${subject}`, subject, reason: null, createdBy: 'ada', createdAt },
    ]),
  )
}

test.each(['all', 'agent:cursor', 'environment:staging', 'connection:railway', 'scope:work'])(
  '%s stops a capability that it names',
  (subject) => {
    expect(freezeOn(freezes('agent:other', subject), cursor, 'railway')?.subject).toBe(subject)
  },
)

test('what names something else stops nothing, whatever it is called', () => {
  const others = ['agent:staging', 'environment:cursor', 'connection:work', 'scope:railway']
  expect(freezeOn(freezes(...others, 'agent:cursor2', 'scope:'), cursor, 'railway')).toBeNull()
  expect(freezeOn(freezes(), cursor, 'railway')).toBeNull()
})

test('of several the widest is told', () => {
  const both = freezes('agent:cursor', 'all')
  expect(freezeOn(both, cursor, 'railway')?.subject).toBe('all')
})

test.each([
  [null, 'The agent cursor is frozen since 2026-05-01T10:00:00.000Z by ada.'],
  ['look', 'The agent cursor is frozen since 2026-05-01T10:00:00.000Z by ada, saying: look.'],
  ['Look!', 'The agent cursor is frozen since 2026-05-01T10:00:00.000Z by ada, saying: Look!'],
])('the refusal says who, since when and why, where that was said: %s', (reason, detail) => {
  const [freeze] = freezes('agent:cursor').values()
  if (freeze === undefined) throw new Error('none')
  expect(frozen({ ...freeze, reason })).toMatchObject({ verdict: 'deny', code: 'frozen', detail })
})
