/** Appends to the store that it is told of, and says each number once it is acknowledged, until it is killed. */
import pino from 'pino'
import { createJournal } from '../../src/audit/journal.ts'
import type { Config } from '../../src/config.ts'
import { openStore } from '../../src/store/open.ts'

const [kind, place = ''] = process.argv.slice(2)
const where: Config['store'] =
  kind === 'embedded' ? { kind, directory: place } : { kind: 'postgres', url: place }
const store = await openStore(where)
const journal = await createJournal({
  store,
  clock: { now: () => Date.now() },
  log: pino({ level: 'silent' }),
})

async function appendForEver(): Promise<never> {
  for (;;) {
    const { seq } = await journal.append({ kind: 'call', agent: 'cursor' })
    process.stdout.write(`${seq}\n`)
  }
}

await Promise.all(Array.from({ length: 32 }, appendForEver))
