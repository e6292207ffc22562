/** Group commit: many items, one flush, an answer for each. Keeps no item that was answered, and answers none twice. */

type Waiting<T, R> = {
  item: T
  resolve: (result: R) => void
  reject: (error: unknown) => void
}

export type Group<T, R> = {
  /** Settles once its flush has: with the item's own result, or with the error that failed the flush. */
  add(item: T): Promise<R>
  /** Flushes what waits, at once, and settles when nothing is left. */
  drain(): Promise<void>
}

/**
 * Items gather for `gatherMs`, or until there are `maxItems`, or while the flush before them is under way: only one is,
 * so that results come in the order of the items. `flush` answers with one result for each item, in their order.
 */
export function group<T, R>(options: {
  flush: (items: T[]) => Promise<R[]>
  maxItems: number
  gatherMs: number
}): Group<T, R> {
  const { flush, maxItems, gatherMs } = options
  const waiting: Waiting<T, R>[] = []
  let flushing: Promise<void> | null = null
  let timer: NodeJS.Timeout | null = null

  function schedule(): void {
    if (flushing !== null || waiting.length === 0) return
    if (waiting.length >= maxItems) begin()
    // A macrotask, for what is read from other connections in the same turn: in a microtask each group would hold one item.
    else timer ??= setTimeout(begin, gatherMs)
  }

  function begin(): void {
    if (timer !== null) clearTimeout(timer)
    timer = null
    if (flushing !== null || waiting.length === 0) return
    flushing = settle(waiting.splice(0, maxItems), flush).then(() => {
      flushing = null
      // What came during the flush has gathered long enough.
      begin()
    })
  }

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject })
        schedule()
      }),
    drain: async () => {
      begin()
      while (flushing !== null) await flushing
    },
  }
}

/** Never rejects: each item hears of its own flush, and the next flush begins whatever became of this one. */
async function settle<T, R>(
  entries: Waiting<T, R>[],
  flush: (items: T[]) => Promise<R[]>,
): Promise<void> {
  try {
    const results = await flush(entries.map(({ item }) => item))
    if (results.length !== entries.length) {
      throw new Error(`A flush of ${entries.length} items gave ${results.length} results`)
    }
    for (const [index, result] of results.entries()) entries[index]?.resolve(result)
  } catch (error) {
    for (const { reject } of entries) reject(error)
  }
}
