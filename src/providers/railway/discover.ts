/** Lists the projects and environments that a connection's credential sees, for people to bind. Changes nothing and reads no settings. */
import { BrokerError } from '../../errors.ts'
import type { Discovered, Lookup } from '../provider.ts'
import { bounded, Unlocated } from './answers.ts'
import { listEnvironments, listProjects, placeOf } from './projects.ts'

/** One per project, and a few to find them. */
const maxLookups = 250

export async function discover(lookup: Lookup): Promise<readonly Discovered[]> {
  const some = bounded(lookup, maxLookups)
  const projects = await listed(some)
  const found: Discovered[] = []
  for (const project of projects) found.push(...(await discoverProject(some, project)))
  return found
}

async function listed(lookup: Lookup) {
  try {
    return await listProjects(lookup)
  } catch (error) {
    if (!(error instanceof Unlocated)) throw error
    const detail = `Railway shows no project to this connection: ${error.message}.`
    const hint = 'Check the token, and that it is placed where Railway expects that kind of token.'
    throw new BrokerError('not-found', detail, { hint })
  }
}

async function discoverProject(
  lookup: Lookup,
  { id, name }: { id: string; name: string },
): Promise<Discovered[]> {
  const project = { kind: 'project', address: name, place: [{ kind: 'project', id }] }
  try {
    const { listed } = await listEnvironments(lookup, id)
    const environments = listed.map((one) => ({
      kind: 'environment',
      address: `${name}/${one.name}`,
      place: placeOf(one),
      ...note(one),
    }))
    return [project, ...environments]
  } catch (error) {
    if (!(error instanceof Unlocated)) throw error
    return [{ ...project, note: 'its environments cannot be read' }]
  }
}

function note(one: {
  source: string | null
  fork: boolean
  ephemeral: boolean
  readable: boolean
}): {
  note?: string
} {
  const words = [
    ...(one.source === null ? [] : [`${one.fork ? 'fork' : 'copy'} of ${one.source}`]),
    ...(one.ephemeral ? ['ephemeral'] : []),
    ...(one.readable ? [] : ['the connection may not read it']),
  ]
  return words.length === 0 ? {} : { note: words.join(', ') }
}
