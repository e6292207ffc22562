/** Random operations, patterns, scopes and places, for properties of the policy. */
import fc from 'fast-check'
import type { Binding } from '../../src/policy/environment.ts'
import { effects, type Operation, type Place } from '../../src/policy/operation.ts'
import { type Pattern, parsePattern } from '../../src/policy/pattern.ts'

/** Few words, so that names, globs and patterns often meet. */
const word = fc.constantFrom('a', 'b', 'ab')
export const operationName = fc
  .tuple(fc.constantFrom('Query', 'Mutation'), word)
  .map(([t, w]) => `${t}.${w}`)
const fieldName = fc.tuple(fc.constantFrom('Env', 'Log'), word).map(([t, w]) => `${t}.${w}`)
/** Mostly one of two. */
export const mostly = <T>(usual: T, other: T) =>
  fc.oneof(
    { weight: 5, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constant(other) },
  )

const someEffects = fc.oneof(
  fc.uniqueArray(fc.constantFrom(...effects), { minLength: 1, maxLength: 3 }),
  fc.constantFrom(['read' as const], ['write' as const]),
)

export const operation: fc.Arbitrary<Operation> = fc.record({
  name: operationName,
  own: someEffects,
  effects: someEffects,
  unknown: mostly(false, true),
  mustName: fc.array(
    fc.record({ field: fieldName, effect: fc.constantFrom('reveal' as const, 'unknown' as const) }),
    { maxLength: 2 },
  ),
  resources: fc.array(
    fc.record({
      kind: fc.constantFrom('environment', 'service'),
      id: word,
      role: fc.constantFrom('target' as const, 'context' as const),
      argument: word,
    }),
    { maxLength: 2 },
  ),
  missing: fc.array(word, { maxLength: 1 }),
  harmless: fc.boolean(),
  reachesOut: fc.option(fieldName),
  leadsOn: fc.option(fieldName),
})

/** Names with stars put in, in any number and at any place. */
const globText = fc
  .tuple(operationName, fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([name, places, cut]) =>
    places.reduce((text, at) => {
      const i = Math.min(at, text.length)
      return `${text.slice(0, i)}*${text.slice(cut ? i + 1 : i)}`
    }, name),
  )

export function patternOf(text: string): Pattern {
  const pattern = parsePattern(text)
  if ('problem' in pattern) throw new Error(pattern.problem)
  return pattern
}

export const pattern: fc.Arbitrary<Pattern> = fc
  .oneof(
    operationName,
    fieldName,
    globText,
    fc.constantFrom('@read', '@write', '*', '**', 'Query.*'),
  )
  .map(patternOf)

const step = (kind: string) => fc.constantFrom('1', '2').map((id) => ({ kind, id }))
/** project, project/environment or project/environment/thing, or project/service. */
export const place: fc.Arbitrary<Place> = fc.oneof(
  fc.tuple(step('project')),
  fc.tuple(step('project'), step('service')),
  fc.tuple(step('project'), step('environment')),
  fc.tuple(step('project'), step('environment'), step('thing')),
)

export const binding: fc.Arbitrary<Binding> = fc.record({
  environment: mostly('staging', 'production'),
  space: mostly('railway', 'other'),
  mode: fc.constantFrom('owns' as const, 'sees' as const),
  place,
  label: fc.constant('label'),
})
