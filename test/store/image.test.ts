/** The empty database that comes with the package: used where it fits, and never where it does not. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { openInMemory, prepareImage } from '../../src/store/engine.ts'
import { preparedImage } from '../../src/store/image.ts'
import { folder } from '../support/folder.ts'

const packed = new URL('../../database.image', import.meta.url)

test('what was prepared opens, and is a database that nobody has used', async () => {
  await readFile(packed).catch(prepareImage)
  const image = await preparedImage()
  if (image === null) throw new Error('it was not prepared')
  const pglite = await openInMemory(image)
  const { rows } = await pglite.query(
    "select count(*)::int as n from pg_tables where schemaname = 'public'",
  )
  expect(rows).toEqual([{ n: 0 }])
  await pglite.close()
})

test('one that is missing, cut short, or of another PGlite is not used', async () => {
  const path = join(await folder(), 'database.image')
  expect(await preparedImage(path)).toBeNull()
  const whole = await readFile(packed)
  await writeFile(path, whole.subarray(0, whole.length / 2))
  expect(await preparedImage(path)).toBeNull()
  const other = { ...deserialize(gunzipSync(whole)), pglite: '0.0.1' }
  await writeFile(path, gzipSync(serialize(other)))
  expect(await preparedImage(path)).toBeNull()
})
