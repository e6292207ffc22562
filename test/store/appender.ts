/** A process of its own that opens a directory, appends rows, and prints the number of each one that was acknowledged. */
import { openStore } from '../../src/store/open.ts'

const [, , directory = ''] = process.argv

try {
  const store = await openStore({ kind: 'embedded', directory })
  process.stdout.write('open\n')
  const [last] = await store.run<{ seq: number }>(
    'select coalesce(max(seq), 0)::bigint as seq from audit_checkpoints',
    [],
  )
  for (let seq = (last?.seq ?? 0) + 1; ; seq++) {
    await store.run('insert into audit_checkpoints (seq, signed) values ($1, $2)', [
      seq,
      'x'.repeat(500),
    ])
    process.stdout.write(`${seq}\n`)
  }
} catch (error) {
  process.stderr.write(error instanceof Error ? error.message : String(error))
  process.exit(1)
}
