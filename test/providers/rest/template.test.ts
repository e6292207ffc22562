/** Which route a request is, held against a plain reading of the templates, over paths that try to be two. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kindsOf } from '../../../src/providers/rest/kinds.ts'
import {
  type Part,
  type Route,
  readTemplate,
  router,
  shapeOf,
  specific,
  type Template,
  writeTemplate,
} from '../../../src/providers/rest/template.ts'

function template(text: string): Template {
  const read = readTemplate(text)
  if ('problem' in read) throw new Error(read.problem)
  return read
}

const segment = fc.constantFrom('a', 'b', 'c', 'x', 'projects', '1', 'A', 'a b', 'é')
const part = fc.oneof(
  fc.constantFrom('a', 'b', 'c', 'projects').map((literal): Part => ({ literal })),
  fc.constantFrom('p', 'q', 'r', 's').map((parameter): Part => ({ parameter })),
)
const templates = fc
  .array(
    fc.tuple(
      fc.constantFrom('GET', 'DELETE'),
      fc.array(part, { maxLength: 4 }),
      fc.option(fc.nat(4), { freq: 3 }),
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((all) => {
    const routes = all.map(([method, parts, at], i): Route<number> => {
      const whole =
        at === null ? parts : parts.toSpliced(at, 0, { parameter: 'path', several: true })
      // A parameter has each name once.
      const named = whole.map((one, place) =>
        'parameter' in one ? { ...one, parameter: `${one.parameter}${place}` } : one,
      )
      return { method, template: named, of: i }
    })
    return [...new Map(routes.map((one) => [shapeOf(one), one])).values()]
  })

/** Read as it is written: segment for segment the text or anything, and one parameter that takes what is left over. */
function plainly(
  { template: parts }: Route<number>,
  segments: readonly string[],
): { part: Part; segment: string }[] | null {
  const several = parts.findIndex((one) => 'several' in one)
  const spare = segments.length - parts.length
  if (spare < 0 || (several < 0 && spare > 0)) return null
  const spread = parts.flatMap((one) =>
    'several' in one ? Array<Part>(spare + 1).fill(one) : [one],
  )
  const pairs = spread.map((one, i) => ({ part: one, segment: segments[i] ?? '' }))
  const fits = pairs.every(({ part: one, segment: text }) =>
    'literal' in one ? one.literal === text : true,
  )
  return fits ? pairs : null
}

const exactness = (one: Part) => ('literal' in one ? 2 : 'several' in one ? 0 : 1)

describe('a router', () => {
  it('finds a route only where a plain reading does, the most exact one, and none where two are equal', () => {
    fc.assert(
      fc.property(
        templates,
        fc.constantFrom('GET', 'DELETE', 'PUT'),
        fc.array(segment, { maxLength: 5 }),
        (routes, method, segments) => {
          const found = router(routes)(method, segments)
          const all = routes
            .filter((one) => one.method === method)
            .flatMap((one) => {
              const pairs = plainly(one, segments)
              return pairs === null ? [] : [{ of: one.of, pairs }]
            })
          const best = all.filter((one) =>
            all.every((other) =>
              other.pairs.every(({ part: it }, i) => {
                const mine = one.pairs[i]
                return mine !== undefined && exactness(mine.part) >= exactness(it)
              }),
            ),
          )
          // Of two that are as exact as each other only one shape could be, and there is one of each.
          expect(best.map(({ of }) => of)).toEqual(found === null ? [] : [found.of])
          const values = new Map<string, string[]>()
          for (const { part: it, segment: text } of best[0]?.pairs ?? []) {
            if ('parameter' in it)
              values.set(it.parameter, [...(values.get(it.parameter) ?? []), text])
          }
          for (const [name, texts] of values)
            expect(found?.parameters.get(name)).toBe(texts.join('/'))
        },
      ),
      { numRuns: 5_000 },
    )
  })

  it('finds every route by a path that was built from it', () => {
    fc.assert(
      fc.property(templates, (routes) => {
        const find = router(routes)
        for (const { method, template: parts, of } of routes) {
          // Values that no text of another route is; a longer one for what takes several.
          const path = parts.flatMap((one) =>
            'literal' in one
              ? [one.literal]
              : 'several' in one
                ? ['zz', 'zz', 'zz', 'zz', 'zz', 'zz']
                : ['zz'],
          )
          const match = find(method, path)
          if (match !== null) expect([of, match.of]).toContain(match.of)
          if (!parts.some((one) => 'several' in one)) expect(match?.of).toBe(of)
        }
      }),
    )
  })
})

describe('a template', () => {
  it.each(['/projects/{id}', '/a/b.c/~d', '/v1/things:cancel', '/files/{+path}/raw'])(
    '%s is written as it was read',
    (text) => {
      expect(writeTemplate(template(text))).toBe(text)
    },
  )

  it.each([
    'projects',
    '/a//b',
    '/a/../b',
    '/a/{b}.json',
    '/a/{b}{c}',
    '/a/{b}/{b}',
    '/a/b%2Fc',
    '/a/b c',
    '/a/{}',
    '/a\\b',
    '/{+a}/{+b}',
  ])('%s is none', (text) => {
    expect(readTemplate(text)).toHaveProperty('problem')
  })

  it('says what a parameter names that is only called id', () => {
    const written = (text: string) => writeTemplate(specific(template(text)))
    expect(written('/projects/{id}')).toBe('/projects/{project_id}')
    expect(written('/policies/{id}/rules/{name}')).toBe('/policies/{policy_id}/rules/{rule_name}')
    expect(written('/projects/{project_id}')).toBe('/projects/{project_id}')
  })
})

describe('kinds', () => {
  it('are what the parameters name, in what contains them by the shortest way', () => {
    const { all } = kindsOf(
      [
        '/projects/{project_id}',
        '/orgs/{org}/projects/{project_id}',
        '/projects/{project_id}/branches/{branchId}',
        '/projects/{project_id}/branches/{branchId}/databases/{database_name}',
      ].map(template),
    )
    expect(all.map(({ path }) => path.join('/'))).toEqual([
      'project',
      'org',
      'project/branch',
      'project/branch/database',
    ])
  })

  it('of two parameters are never one', () => {
    const { byParameter } = kindsOf(['/users/{user_id}', '/people/{user_name}'].map(template))
    expect(new Set([...byParameter.values()].map(({ kind }) => kind)).size).toBe(2)
  })
})
