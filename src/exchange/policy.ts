/** Keeps a judgement and what follows from it under one policy: what was judged under an older one is judged again. */
import { isPolicyMoved } from '../audit/journal.ts'
import type { Context } from '../context.ts'
import type { Snapshot } from '../realm/realm.ts'

/** Policies that move this often in one call are a storm, and the last refusal says to try again. */
const tries = 5

export async function underCurrentPolicy<T>(
  ctx: Context,
  judged: (policy: Snapshot) => Promise<T>,
): Promise<T> {
  for (let left = tries; ; left -= 1) {
    try {
      return await judged(ctx.realm.now())
    } catch (error) {
      if (!isPolicyMoved(error) || left === 0) throw error
      await ctx.realm.refresh()
    }
  }
}
