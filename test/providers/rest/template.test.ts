/** Which route a request is, held against a plain reading of the templates, over paths that try to be two. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kindsOf } from '../../../src/providers/rest/kinds.ts'
import {
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

const segment = fc.constantFrom('a', 'b', 'c', 'x', 'projects', '1', 'A', 'a b', '%2F', 'é')
const part = fc.oneof(
  fc.constantFrom('a', 'b', 'c', 'projects').map((literal) => ({ literal })),
  fc.constantFrom('p', 'q', 'r', 's').map((parameter) => ({ parameter })),
)
const templates = fc
  .array(fc.tuple(fc.constantFrom('GET', 'DELETE'), fc.array(part, { maxLength: 4 })), {
    minLength: 1,
    maxLength: 12,
  })
  .map((all) => {
    const routes = all.map(([method, parts], i): Route<number> => {
      // A parameter has each name once.
      const named = parts.map((one, at) =>
        'parameter' in one ? { parameter: `${one.parameter}${at}` } : one,
      )
      return { method, template: named, of: i }
    })
    return [...new Map(routes.map((one) => [shapeOf(one), one])).values()]
  })

/** Read as it is written: the same number of segments, each the text or anything. */
function fits(route: Route<number>, method: string, segments: readonly string[]): boolean {
  return (
    route.method === method &&
    route.template.length === segments.length &&
    route.template.every((one, i) => 'parameter' in one || one.literal === segments[i])
  )
}

describe('a router', () => {
  it('finds a route only where a plain reading does, the most exact one, and none where two are equal', () => {
    fc.assert(
      fc.property(
        templates,
        fc.constantFrom('GET', 'DELETE', 'PUT'),
        fc.array(segment, { maxLength: 5 }),
        (routes, method, segments) => {
          const found = router(routes)(method, segments)
          const all = routes.filter((one) => fits(one, method, segments))
          if (found === null) {
            const best = all.find((one) =>
              all.every((other) =>
                other.template.every(
                  (it, i) => 'parameter' in it || 'literal' in (one.template[i] ?? {}),
                ),
              ),
            )
            expect(best).toBeUndefined()
            return
          }
          const route = all.find(({ of }) => of === found.of)
          expect(route).toBeDefined()
          for (const other of all) {
            for (const [i, it] of other.template.entries()) {
              if ('literal' in it) expect(route?.template[i]).toHaveProperty('literal')
            }
          }
          for (const [i, it] of route?.template.entries() ?? []) {
            if ('parameter' in it) expect(found.parameters.get(it.parameter)).toBe(segments[i])
          }
        },
      ),
      { numRuns: 3_000 },
    )
  })

  it('finds every route by a path that was built from it', () => {
    fc.assert(
      fc.property(templates, (routes) => {
        const find = router(routes)
        for (const { method, template: parts, of } of routes) {
          // A value that no text of another route is.
          const path = parts.map((one) => ('literal' in one ? one.literal : 'zz'))
          expect(find(method, path)?.of).toBe(of)
        }
      }),
    )
  })
})

describe('a template', () => {
  it.each(['/projects/{id}', '/a/b.c/~d', '/v1/things:cancel'])(
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
