/** What waits for a human, in a line each. */
import type { Context } from '../context.ts'
import { type Html, nothing } from './page.ts'

export async function waiting(_ctx: Context): Promise<Html> {
  return nothing('Nothing waits for you.')
}
