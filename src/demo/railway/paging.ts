/** Relay connections over plain rows: opaque cursors and a true pageInfo. Never returns more than one page. */

import { GraphQLError } from 'graphql'
import type { Call } from './access.ts'

export type PageArgs = {
  first?: number | null
  after?: string | null
  last?: number | null
  before?: string | null
}

const ownPageSize = 500

export function connection<T extends { id: string }>(rows: T[], args: PageArgs, call: Call) {
  const start = args.after ? position(rows, args.after) + 1 : 0
  const end = args.before ? position(rows, args.before) : rows.length
  const [from, to] = window(start, Math.max(start, end), args, call.pageSize ?? ownPageSize)
  const edges = rows.slice(from, to).map((node) => ({ cursor: cursorOf(node), node }))
  return {
    edges,
    pageInfo: {
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
      hasPreviousPage: from > 0,
      hasNextPage: to < rows.length,
    },
  }
}

/** The page size caps what a caller asks for too: one that ignores pageInfo loses rows. */
function window(start: number, end: number, args: PageArgs, size: number): [number, number] {
  if (args.last != null && args.first == null) {
    return [Math.max(start, end - Math.min(args.last, size)), end]
  }
  return [start, Math.min(end, start + Math.min(args.first ?? size, size))]
}

function cursorOf({ id }: { id: string }): string {
  return Buffer.from(`cursor:${id}`).toString('base64')
}

function position(rows: { id: string }[], cursor: string): number {
  const at = rows.findIndex((one) => cursorOf(one) === cursor)
  if (at < 0) throw new GraphQLError('Invalid cursor')
  return at
}
