/**
 * Mends postgres-js 3.4.9, which writes to a connection that is gone and so ends the whole process
 * (github.com/porsager/postgres/issues/1208). Has to be loaded before the driver is; changes these places and no other, and
 * nothing at all of a version that reads otherwise.
 */
import { registerHooks } from 'node:module'

const file = '/node_modules/postgres/src/connection.js'

type Mend = { from: string; to: string }

const mends: readonly Mend[] = [
  {
    // What is written to nothing is answered as lost, so that whoever waits for it hears of it.
    from: '    const x = socket.write(chunk, fn)\n',
    to: `    if (socket === null) {
      chunk = nextWriteTimer = null
      const lost = Errors.connection('CONNECTION_CLOSED', options)
      query && queryError(query, lost)
      while (sent.length) queryError(sent.shift(), lost)
      return true
    }
    const x = socket.write(chunk, fn)\n`,
  },
  {
    // Else the next connection would wait for a timer that was cleared, behind bytes that were for the last one.
    from: '    socket = null\n\n    if (initial)\n',
    to: '    socket = null\n    chunk = nextWriteTimer = null\n\n    if (initial)\n',
  },
  {
    // What was sent after the error and before the end would never be answered, and what the last connection said last
    // would answer the first question to the next one.
    from: "    !hadError && (query || sent.length) && error(Errors.connection('CONNECTION_CLOSED', options, socket))\n",
    to: `    ;(query || sent.length) && error(Errors.connection('CONNECTION_CLOSED', options, socket))
    query = results = errorResponse = null\n`,
  },
]

let mended = false

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context)
    if (!url.endsWith(file)) return loaded
    const source = Buffer.from(loaded.source as Uint8Array).toString('utf8')
    mended = mends.every(({ from }) => source.split(from).length === 2)
    if (!mended) return loaded
    const text = mends.reduce((text, { from, to }) => text.replace(from, () => to), source)
    return { ...loaded, source: text }
  },
})

/** Throws where the driver was loaded as it is: a lost connection must not be the end of the broker. */
export function demandMended(): void {
  if (mended) return
  throw new Error(
    'The PostgreSQL driver is another than the one that Valetkey knows: install the version that its package.json names',
  )
}
