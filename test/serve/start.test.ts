/** A start that cannot be served says one sentence and ends; what it would have opened stays as it was. */
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { folder } from '../support/folder.ts'
import { codeOf, type Env, enrol, failedStart, place, serve } from '../support/process.ts'

async function refusalOf(env: Env): Promise<string> {
  const { code, stdout, stderr } = await failedStart({ ...env, VALETKEY_LOG: 'silent' })
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).not.toMatch(/\n\s+at /)
  return stderr
}

it('refuses settings that cannot be meant, each by its name', async () => {
  const env = await place('embedded')
  const missing = join(await folder(), 'none.pem')
  const wrong: [Env, string][] = [
    [{ VALETKEY_HOST: '0.0.0.0' }, 'VALETKEY_HOST'],
    [{ VALETKEY_TLS_CERT: missing }, 'VALETKEY_TLS_KEY'],
    [{ VALETKEY_TLS_CERT: missing, VALETKEY_TLS_KEY: missing }, 'VALETKEY_TLS_CERT'],
    [{ VALETKEY_AGENT_PORT: 'many' }, 'VALETKEY_AGENT_PORT'],
    [{ VALETKEY_MASTER_KEY: 'short' }, 'VALETKEY_MASTER_KEY'],
    [{ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' }, 'DATABASE_URL'],
  ]
  await Promise.all(
    wrong.map(async ([change, named]) => {
      expect(await refusalOf({ ...env, ...change })).toContain(named)
    }),
  )
})

it('serves a directory once, refuses it under another master key, and keeps the one-time code to its file', async () => {
  const env = await place('embedded')
  const first = await serve(env)
  expect(await refusalOf(env)).toContain(`Process ${first.pid} is using`)
  const port = new URL(first.agentUrl).port
  expect(await refusalOf({ ...(await place('embedded')), VALETKEY_AGENT_PORT: port })).toContain(
    `Port ${port}`,
  )
  const code = await codeOf(first)
  expect((await stat(first.codeFile ?? '')).mode & 0o777).toBe(0o600)
  expect((await enrol(first, code)).status).toBe(201)
  expect((await enrol(first, code, 'eve')).status).toBeGreaterThanOrEqual(400)
  const { stdout, stderr } = await first.stop()
  expect(stdout + stderr).not.toContain(code)
  await expect(readFile(first.codeFile ?? '')).rejects.toThrow('ENOENT')

  const { VALETKEY_MASTER_KEY: other = '' } = await place('embedded')
  expect(await refusalOf({ ...env, VALETKEY_MASTER_KEY: other })).toContain('master key')
  const again = await serve(env)
  // Set-up mode: it gives a passkey to who is there, and makes nobody.
  expect(again.stdout()).toContain('Set-up mode')
  expect((await enrol(again, await codeOf(again), 'eve')).status).toBe(401)
  await again.stop()
})

it('makes its own key file once, and does not start without it or when others may read it', async () => {
  const { VALETKEY_MASTER_KEY: _, ...env } = await place('embedded')
  const path = `${env['VALETKEY_DATA']}.key`
  await (await serve(env)).stop()
  const key = await readFile(path)
  await chmod(path, 0o644)
  expect(await refusalOf(env)).toContain('chmod 600')
  await rm(path)
  expect(await refusalOf(env)).toContain('put it back')
  await writeFile(path, key, { mode: 0o600 })
  await (await serve(env)).stop()
})
