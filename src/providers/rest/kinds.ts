/** The kinds of resources that an API's own paths name, and which of them contain which. Pure. */
import type { Template } from './template.ts'

/** A kind with the parameters that together name one: its containers' first, its own last. */
export type RestKind = { kind: string; parameters: readonly string[]; path: readonly string[] }

export type Kinds = {
  /** By the parameter that names one. */
  byParameter: ReadonlyMap<string, RestKind>
  all: readonly RestKind[]
}

/**
 * Every parameter names a kind: `project_id` a project. Where templates disagree on what contains it, the shortest way is taken:
 * what it leaves out is judged by itself.
 */
export function kindsOf(templates: readonly Template[]): Kinds {
  const shortest = new Map<string, readonly string[]>()
  for (const template of templates) {
    const parameters = template.flatMap((part) => ('parameter' in part ? [part.parameter] : []))
    for (const [i, parameter] of parameters.entries()) {
      const known = shortest.get(parameter)
      if (known === undefined || i + 1 < known.length) {
        shortest.set(parameter, parameters.slice(0, i + 1))
      }
    }
  }
  const taken = new Map<string, string>()
  const names = new Map(
    [...shortest.keys()].map((one) => [one, unique(nameOf(one), one, taken)] as const),
  )
  const named = (parameter: string) => names.get(parameter) ?? parameter
  const byParameter = new Map(
    [...shortest].map(([parameter, parameters]) => [
      parameter,
      { kind: named(parameter), parameters, path: parameters.map(named) },
    ]),
  )
  return { byParameter, all: [...byParameter.values()] }
}

/** Two parameters with names of their own never become one kind: their ids may mean different things. */
function unique(name: string, parameter: string, taken: Map<string, string>): string {
  const holder = taken.get(name)
  if (holder === undefined || holder === parameter) {
    taken.set(name, parameter)
    return name
  }
  taken.set(parameter, parameter)
  return parameter
}

function nameOf(parameter: string): string {
  const bare = parameter.replace(/[_-]?(?:id|ID|Id|uuid|slug|name|number|key)$/, '')
  return (bare === '' ? parameter : bare).replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase()
}
