import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readSession, removeSession, type Session, saveSession } from '../../src/cli/session.ts'
import { folder } from '../support/folder.ts'
import { valetkey } from './valetkey.ts'

const home = await folder()

const session: Session = {
  adminUrl: 'http://localhost:8421',
  url: 'http://localhost:8420',
  operator: 'ada',
  role: 'admin',
  expiresAt: '2099-01-01T00:00:00.000Z',
  token: 'vko_not-a-real-one',
}

describe('a session file', () => {
  test('can be read by its owner alone, even where the folder was open to others', async () => {
    const directory = join(home, 'open', 'valetkey')
    await mkdir(directory, { recursive: true, mode: 0o755 })
    await saveSession(directory, session)
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    expect((await stat(join(directory, 'session.json'))).mode & 0o777).toBe(0o600)
    expect(await readSession(directory)).toEqual(session)
  })

  test('replaces the one before it and leaves no draft behind', async () => {
    const directory = join(home, 'twice')
    await saveSession(directory, session)
    await chmod(join(directory, 'session.json'), 0o644)
    await saveSession(directory, { ...session, operator: 'grace' })
    expect(await readdir(directory)).toEqual(['session.json'])
    expect((await stat(join(directory, 'session.json'))).mode & 0o777).toBe(0o600)
    expect(await readSession(directory)).toMatchObject({ operator: 'grace' })
  })

  test('is absent until somebody signs in and after they sign out', async () => {
    const directory = join(home, 'none')
    expect(await readSession(directory)).toBeNull()
    await saveSession(directory, session)
    await removeSession(directory)
    expect(await readSession(directory)).toBeNull()
  })
})

describe('a command that needs a session', () => {
  const signedIn = async (name: string, text = JSON.stringify(session), mode = 0o600) => {
    const config = join(home, name)
    await mkdir(join(config, 'valetkey'), { recursive: true, mode: 0o700 })
    await writeFile(join(config, 'valetkey', 'session.json'), text, { mode })
    return config
  }

  test('refuses one that others can read, and does not show its token', async () => {
    for (const mode of [0o644, 0o640, 0o602]) {
      const config = await signedIn('exposed')
      await chmod(join(config, 'valetkey', 'session.json'), mode)
      const ended = await valetkey(['status', '--json'], { config })
      expect(ended).toMatchObject({ code: 1, stdout: '' })
      expect(JSON.parse(ended.stderr)).toMatchObject({ code: 'session-exposed' })
      expect(ended.stderr).not.toContain(session.token)
    }
  })

  test('says what to do about a file that is no session', async () => {
    for (const text of ['', '{', '[]', '{"token":"vko_alone"}']) {
      const config = await signedIn('broken', text)
      const ended = await valetkey(['status', '--json'], { config })
      expect(ended.code).toBe(1)
      expect(JSON.parse(ended.stderr)).toMatchObject({
        code: 'session-unreadable',
        hint: expect.stringContaining('valetkey login'),
      })
    }
  })

  test('never sends its token to another address than the one that gave it', async () => {
    const config = await signedIn('elsewhere')
    const env = { VALETKEY_ADMIN_URL: 'http://broker.example:8421' }
    const ended = await valetkey(['status', '--json'], { config, env })
    expect(ended.code).toBe(1)
    expect(JSON.parse(ended.stderr)).toMatchObject({
      code: 'not-signed-in',
      detail: expect.stringContaining('http://broker.example:8421'),
    })
  })

  test('is forgotten by logout even when its broker is gone, which is said', async () => {
    const config = await signedIn(
      'gone',
      JSON.stringify({ ...session, adminUrl: 'http://localhost:9' }),
    )
    const ended = await valetkey(['logout', '--json'], { config })
    expect(ended.code).toBe(0)
    expect(JSON.parse(ended.stdout)).toEqual({ signed_out: true, ended_at_broker: false })
    expect(ended.stderr).toContain('did not confirm')
    await expect(readFile(join(config, 'valetkey', 'session.json'))).rejects.toThrow('ENOENT')
  })
})
