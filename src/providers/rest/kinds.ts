/** The kinds of resources that an API's own paths name, and which of them contain which. Pure. */
import type { Template } from './template.ts'

/** A kind with the parameters that together name one: its containers' first, its own last. */
export type RestKind = { kind: string; parameters: readonly string[]; path: readonly string[] }

export type Kinds = {
  /** By the parameter that names one. */
  byParameter: ReadonlyMap<string, RestKind>
  all: readonly RestKind[]
  /** Those that the kinds are called by, in the singular and the plural. */
  words: ReadonlySet<string>
}

/** The API itself, around all that is in it: for a key that is one environment's alone. */
export const whole = { kind: 'api', id: 'whole' } as const

/** `parentBranchId`, `parent-branch_id`: their words, small. */
export function nameWords(name: string): string[] {
  return name
    .trim()
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
}

/**
 * Every parameter names a kind: `project_id` a project. Where templates disagree on what contains it, the shortest way is taken:
 * what it leaves out is judged by itself.
 */
export function kindsOf(templates: readonly Template[]): Kinds {
  const shortest = new Map<string, readonly string[]>()
  for (const template of templates) {
    // What takes several segments is a path or a ref in what contains it, and no thing of its own.
    const parameters = template.flatMap((part) =>
      'parameter' in part && part.several !== true ? [part.parameter] : [],
    )
    for (const [i, parameter] of parameters.entries()) {
      const known = shortest.get(parameter)
      if (known === undefined || i + 1 < known.length) {
        shortest.set(parameter, parameters.slice(0, i + 1))
      }
    }
  }
  // Names that the engine has for itself, so that no parameter holds them.
  const taken = new Set([whole.kind, 'all'])
  // In an order that does not depend on the description's.
  const names = new Map(
    [...shortest.keys()].toSorted().map((one) => [one, unique(one, taken)] as const),
  )
  const named = (parameter: string) => names.get(parameter) ?? parameter
  const byParameter = new Map(
    [...shortest].map(([parameter, parameters]) => [
      parameter,
      { kind: named(parameter), parameters, path: parameters.map(named) },
    ]),
  )
  const words = new Set(
    [...names.values()].flatMap((name) => {
      const last = nameWords(name).at(-1) ?? name
      return [last, `${last}s`, `${last}es`, last.replace(/y$/, 'ies')]
    }),
  )
  return { byParameter, all: [...byParameter.values()], words }
}

/** Two parameters with names of their own never become one kind: their ids may mean different things. */
function unique(parameter: string, taken: Set<string>): string {
  const free = [nameOf(parameter), parameter].find((one) => !taken.has(one))
  let name = free ?? `${parameter}_`
  while (taken.has(name)) name += '_'
  taken.add(name)
  return name
}

function nameOf(parameter: string): string {
  const bare = parameter.replace(/[_-]?(?:id|ID|Id|uuid|slug|name|number|key)$/, '')
  return (bare === '' ? parameter : bare).replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase()
}
