/**
 * Reads answers to look-ups, page by page, and counts them. What is missing, null, of another shape or about another id
 * is `Unlocated`; nothing is ever filled in.
 */
import { z } from 'zod'
import type { Lookup } from '../provider.ts'

/** Why a thing counts as unknown. Caught by `locate` and told to the agent, so it names nothing but the failure. */
export class Unlocated extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'Unlocated'
  }
}

/** A list longer than this is not read to its end: it counts as unread. */
const maxPages = 50

/** A look-up that answers only so often; afterwards everything asked is unknown. */
export function bounded(lookup: Lookup, limit: number): Lookup {
  let left = limit
  return async (document, variables) => {
    if (left === 0) return { ok: false, why: 'it would take more look-ups than one call may cause' }
    left -= 1
    return lookup(document, variables)
  }
}

/** One answer, which has to have `shape`. Ids that were asked for stand in the shape as literals. */
export async function ask<Shape extends z.ZodType>(
  lookup: Lookup,
  document: string,
  variables: Readonly<Record<string, string>>,
  shape: Shape,
): Promise<z.infer<Shape>> {
  const answer = await lookup(document, variables)
  if (!answer.ok) throw new Unlocated(answer.why)
  const parsed = shape.safeParse(answer.data)
  if (!parsed.success) throw new Unlocated('the answer is incomplete or about something else')
  return parsed.data
}

type Page<Node> = {
  edges: { node: Node }[]
  pageInfo: { hasNextPage: boolean; endCursor: string | null }
}

/** A connection and its selection: `nodes(...) { PAGE }`, parsed by `page`. */
export function selectPage(selection: string): string {
  return `{ edges { node { ${selection} } } pageInfo { hasNextPage endCursor } }`
}

export function page<Node>(node: z.ZodType<Node>): z.ZodType<Page<Node>> {
  return z.object({
    edges: z.array(z.object({ node })),
    pageInfo: z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullable() }),
  })
}

/** All nodes of a connection. A list that cannot be read to its end is unknown, not short. */
export async function everyPage<Node>(
  read: (after: { after?: string }) => Promise<Page<Node>>,
): Promise<Node[]> {
  const nodes: Node[] = []
  let after: string | undefined
  for (let count = 0; count < maxPages; count++) {
    const { edges, pageInfo } = await read(after === undefined ? {} : { after })
    nodes.push(...edges.map((edge) => edge.node))
    if (!pageInfo.hasNextPage) return nodes
    if (pageInfo.endCursor === null || pageInfo.endCursor === after) break
    after = pageInfo.endCursor
  }
  throw new Unlocated('a list could not be read to its end')
}

/** Several attempts at one thing: those that fail are told only if none of them finds it. */
export function startTrail() {
  let why: string | null = null
  return {
    attempt: async <Found>(attempt: () => Promise<Found>): Promise<Found | null> => {
      try {
        return await attempt()
      } catch (error) {
        if (!(error instanceof Unlocated)) throw error
        why ??= error.message
        return null
      }
    },
    /** A failed attempt weighs more than a list that did not have it: the thing may have been there. */
    end: (notFound: string) => new Unlocated(why ?? notFound),
  }
}

/** What the first of the attempts to find anything finds. */
export async function firstFound<Found>(
  attempts: readonly (() => Promise<Found | null>)[],
  notFound: string,
): Promise<Found> {
  const trail = startTrail()
  for (const attempt of attempts) {
    const found = await trail.attempt(attempt)
    if (found !== null) return found
  }
  throw trail.end(notFound)
}
