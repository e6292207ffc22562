import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Binding, contains } from '../../src/policy/environment.ts'
import type { Discovered, Kind } from '../../src/providers/provider.ts'
import {
  bind,
  findNamed,
  listBindings,
  type Mode,
  unbind,
  type Wanted,
} from '../../src/realm/bindings.ts'
import { addEnvironment, removeEnvironment } from '../../src/realm/environments.ts'
import { stores } from '../support/stores.ts'
import { addConnectionRow, by, editing } from './editing.ts'

/** A place by its ids from the outside in: region, cluster, namespace, whatever lies deeper. */
function place(path: string) {
  return path.split('/').map((id, depth) => ({ kind: `level-${depth}`, id }))
}

function wanted(mode: Mode, path: string): Wanted {
  const steps = place(path)
  const last = steps.at(-1)
  if (last === undefined) throw new Error('a place has steps')
  return { mode, kind: last.kind, resource: last.id, place: steps, label: path }
}

async function twoEnvironments(kind: (typeof stores)[number]) {
  const ctx = await editing(kind)
  await addConnectionRow(ctx.db, 'first')
  await addConnectionRow(ctx.db, 'second')
  await addConnectionRow(ctx.db, 'elsewhere', { provider: 'other' })
  await addEnvironment(ctx, by, { name: 'staging', protected: true })
  await addEnvironment(ctx, by, { name: 'production', protected: true })
  const own = (environment: string, path: string, connection = 'first') =>
    bind(ctx, by, { environment, connection, wanted: [wanted('owns', path)] })
  const see = (environment: string, path: string) =>
    bind(ctx, by, { environment, connection: 'first', wanted: [wanted('sees', path)] })
  return { ctx, own, see }
}

function expectNoOverlap(bindings: readonly Binding[]): void {
  const owned = bindings.filter((one) => one.mode === 'owns')
  const overlapping = owned.filter((one) =>
    owned.some(
      (other) => other.environment !== one.environment && contains(other.place, one.place),
    ),
  )
  expect(overlapping).toEqual([])
}

const taken = { code: 'conflict', facts: { environment: 'production' } }

describe.each(stores)('on %s', (kind) => {
  test('what another environment owns, or what lies in it or around it, cannot be owned', async () => {
    const { ctx, own } = await twoEnvironments(kind)
    await own('production', 'acme/prod')
    await expect(own('staging', 'acme/prod')).rejects.toMatchObject(taken)
    await expect(own('staging', 'acme/prod/db')).rejects.toMatchObject(taken)
    await expect(own('staging', 'acme')).rejects.toMatchObject(taken)
    await own('staging', 'acme/test')
    expect(
      ctx.realm
        .now()
        .bindings.map((one) => [one.environment, one.label])
        .sort(),
    ).toEqual([
      ['production', 'acme/prod'],
      ['staging', 'acme/test'],
    ])
  })

  test('ownership holds across the connections of a provider, and not across providers', async () => {
    const { own } = await twoEnvironments(kind)
    await own('production', 'acme/prod')
    await expect(own('staging', 'acme/prod', 'second')).rejects.toMatchObject(taken)
    await own('staging', 'acme/prod', 'elsewhere')
  })

  test('what another environment owns can be seen, and several can see the same', async () => {
    const { ctx, own, see } = await twoEnvironments(kind)
    await own('production', 'acme/prod')
    await see('staging', 'acme')
    await see('production', 'acme')
    expect(ctx.realm.now().bindings).toHaveLength(3)
  })

  test('binding again changes nothing, and binding in another way is a conflict', async () => {
    const { ctx, own, see } = await twoEnvironments(kind)
    const [first] = await own('staging', 'acme/test')
    const [again] = await own('staging', 'acme/test')
    expect(again?.id).toBe(first?.id)
    await expect(see('staging', 'acme/test')).rejects.toMatchObject({ code: 'conflict' })
    expect(await listBindings(ctx, 'staging')).toHaveLength(1)
  })

  test('of several bindings that are asked for together, all are made or none', async () => {
    const { ctx, own } = await twoEnvironments(kind)
    await own('production', 'acme/prod')
    const mixed = bind(ctx, by, {
      environment: 'staging',
      connection: 'first',
      wanted: [wanted('owns', 'acme/test'), wanted('owns', 'acme/prod/db')],
    })
    await expect(mixed).rejects.toMatchObject(taken)
    expect(await listBindings(ctx, 'staging')).toEqual([])
  })

  test('what is unbound can be owned by another', async () => {
    const { ctx, own } = await twoEnvironments(kind)
    const [row] = await own('production', 'acme/prod')
    await expect(unbind(ctx, by, 'staging', row?.id ?? '')).rejects.toMatchObject({
      code: 'not-found',
    })
    await unbind(ctx, by, 'production', row?.id ?? '')
    await own('staging', 'acme/prod')
  })

  test('two environments that claim the same at the same moment do not both get it', async () => {
    const { ctx, own } = await twoEnvironments(kind)
    const claims = await Promise.allSettled([
      own('staging', 'acme/shared'),
      own('production', 'acme/shared/db'),
      own('staging', 'acme/shared/cache'),
      own('production', 'acme/shared'),
    ])
    expect(claims.some((claim) => claim.status === 'fulfilled')).toBe(true)
    expectNoOverlap(ctx.realm.now().bindings)
  })
})

test('no sequence of edits makes two environments own places that overlap', async () => {
  const { ctx } = await twoEnvironments('embedded')
  const environment = fc.constantFrom('staging', 'production')
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        verb: fc.constant('bind' as const),
        environment,
        connection: fc.constantFrom('first', 'second'),
        mode: fc.constantFrom<Mode>('owns', 'owns', 'sees'),
        path: fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 4 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ verb: fc.constant('unbind' as const), environment }) },
    { weight: 1, arbitrary: fc.record({ verb: fc.constant('remove' as const), environment }) },
  )
  let bound = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
      for (const name of ctx.realm.now().environments.keys()) await removeEnvironment(ctx, by, name)
      for (const name of ['staging', 'production']) {
        await addEnvironment(ctx, by, { name, protected: true })
      }
      for (const one of steps) {
        try {
          if (one.verb === 'bind') {
            // Ids that are unique per kind, as a provider's are: the path itself.
            const path = one.path.map((_, depth) => one.path.slice(0, depth + 1).join('.'))
            const { environment, connection } = one
            const what = [wanted(one.mode, path.join('/'))]
            await bind(ctx, by, { environment, connection, wanted: what })
            bound += 1
          } else if (one.verb === 'unbind') {
            const [row] = await listBindings(ctx, one.environment)
            if (row !== undefined) await unbind(ctx, by, one.environment, row.id)
          } else {
            await removeEnvironment(ctx, by, one.environment)
            await addEnvironment(ctx, by, { name: one.environment, protected: true })
          }
        } catch (error) {
          expect(error).toMatchObject({ code: 'conflict' })
        }
        expectNoOverlap(ctx.realm.now().bindings)
      }
    }),
    { numRuns: 25 },
  )
  expect(bound).toBeGreaterThan(25)
}, 120_000)

describe('finding what a human named', () => {
  const kinds: Kind[] = [
    { kind: 'project', bind: 'sees', path: ['project'] },
    { kind: 'environment', bind: 'owns', path: ['project', 'environment'] },
    { kind: 'service', bind: null, path: ['project', 'service'] },
  ]
  const project = { kind: 'project', id: 'p1' }
  const environment = (address: string, id: string): Discovered => ({
    kind: 'environment',
    address,
    place: [project, { kind: 'environment', id }],
  })
  const seen: Discovered[] = [
    { kind: 'project', address: 'acme', place: [project] },
    environment('acme/staging', 'e1'),
    environment('acme/twice', 'e2'),
    environment('acme/twice', 'e3'),
    environment('e1', 'e4'),
  ]
  const find = (mode: Mode, kind: string, address: string) =>
    findNamed(mode, { kind, address }, kinds, seen)

  test('a name and an id find the same thing', () => {
    expect(find('owns', 'environment', 'acme/staging')).toEqual({
      mode: 'owns',
      kind: 'environment',
      resource: 'e1',
      place: [project, { kind: 'environment', id: 'e1' }],
      label: 'acme/staging',
    })
    expect(find('owns', 'environment', 'e2').resource).toBe('e2')
  })

  test('a thing that is called like the id of another does not stand for it', () => {
    expect(find('owns', 'environment', 'e1').label).toBe('acme/staging')
  })

  test('a name that several have is refused with their ids', () => {
    expect(() => find('owns', 'environment', 'acme/twice')).toThrow(
      expect.objectContaining({
        code: 'conflict',
        facts: { hint: 'Give the id instead: e2, e3.' },
      }),
    )
  })

  test('what the connection does not see cannot be bound', () => {
    expect(() => find('owns', 'environment', 'acme/prod')).toThrow(
      expect.objectContaining({ code: 'not-found' }),
    )
  })

  test('a kind that can contain several environments can be seen and never owned', () => {
    expect(find('sees', 'project', 'acme').resource).toBe('p1')
    expect(() => find('owns', 'project', 'acme')).toThrow(
      expect.objectContaining({
        code: 'malformed-request',
        facts: { hint: 'See it, and own one of these: environment.' },
      }),
    )
  })

  test('a kind that is never bound is refused, and so is one that does not exist', () => {
    for (const kind of ['service', 'planet']) {
      expect(() => find('sees', kind, 'x')).toThrow(
        expect.objectContaining({ facts: { hint: 'These can: project, environment.' } }),
      )
    }
  })
})
