import { readdir } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { folder } from '../support/folder.ts'
import { valetkey } from './valetkey.ts'

test('demo replays the incident against a broker of its own, and leaves nothing behind', async () => {
  const [config, temporary] = [await folder(), await folder()]
  // Whatever the surroundings say, the replay touches no real broker.
  const env = { TMPDIR: temporary, DATABASE_URL: 'postgres://nobody@localhost:1/none' }
  const { code, stdout, stderr } = await valetkey(['demo', '--json'], { config, env })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const { ok, claims } = JSON.parse(stdout)
  expect(ok).toBe(true)
  expect(claims.length).toBeGreaterThan(10)
  expect(await readdir(temporary)).toEqual([])
}, 60_000)
