/** Tells open pages that something happened, by server-sent events; the page asks for itself anew. Never says what it was. */
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { type Context, perContext } from '../context.ts'
import { type ConsoleEnv, consoleOperator } from './api/session.ts'

const lookMs = 1_000
/** A browser comes again by itself, with the session that it then has. */
const longestMs = 5 * 60_000
const mostAtOnce = 100
/** Of one operator, so that a stolen cookie leaves the others theirs. */
const mostOfOne = 12

const open = perContext(() => new Map<string, number>())

export function liveFeed(ctx: Context) {
  const app = new Hono<ConsoleEnv>()
  app.get('/console/events', (c) => {
    const { name } = consoleOperator(c)
    const feeds = open(ctx)
    const mine = feeds.get(name) ?? 0
    const all = [...feeds.values()].reduce((sum, one) => sum + one, 0)
    if (mine >= mostOfOne || all >= mostAtOnce) return c.body(null, 503, { 'Retry-After': '5' })
    feeds.set(name, mine + 1)
    c.header('X-Content-Type-Options', 'nosniff')
    return streamSSE(c, async (stream) => {
      let happened = false
      let ended = false
      const off = [
        ctx.events.on(() => {
          happened = true
        }),
        ctx.realm.watch(() => {
          happened = true
        }),
      ]
      stream.onAbort(() => {
        ended = true
      })
      try {
        let seen = ctx.journal.head().seq
        await stream.writeSSE({ event: 'open', data: '' })
        for (const end = performance.now() + longestMs; !ended && performance.now() < end; ) {
          await stream.sleep(lookMs)
          const { seq } = ctx.journal.head()
          if (!happened && seq === seen) continue
          happened = false
          seen = seq
          await stream.writeSSE({ event: 'change', data: '' })
        }
      } finally {
        for (const one of off) one()
        const left = (feeds.get(name) ?? 1) - 1
        if (left === 0) feeds.delete(name)
        else feeds.set(name, left)
      }
    })
  })
  return app
}
