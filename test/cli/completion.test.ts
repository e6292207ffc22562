import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { folder } from '../support/folder.ts'
import { valetkey } from './valetkey.ts'

const config = await folder()

async function script(shell: string): Promise<string> {
  const { code, stdout, stderr } = await valetkey(['completion', shell], { config })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

/** What bash itself offers after these words. */
async function offered(...words: string[]): Promise<string[]> {
  const path = join(config, 'valetkey.bash')
  await writeFile(path, await script('bash'))
  const line = ['valetkey', ...words]
  const program = `source ${path}; COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _valetkey; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout } = await promisify(execFile)('bash', ['-c', program, 'bash', ...line])
  return stdout.split('\n').filter(Boolean)
}

test('bash completes nouns, verbs and flags', async () => {
  expect(await offered('')).toEqual(expect.arrayContaining(['agent', 'audit', 'login', '--json']))
  expect(await offered('au')).toEqual(['audit'])
  expect(await offered('audit', '')).toEqual(
    expect.arrayContaining(['tail', 'search', 'export', 'verify']),
  )
  expect(await offered('--json', 'scope', 'set', 'name', '--al')).toEqual(['--allow'])
  expect(await offered('agent', 'add', 'cursor', '--')).toEqual(
    expect.arrayContaining(['--scope', '--json', '--help']),
  )
})

test('zsh and fish are offered the same words, described', async () => {
  const zsh = await script('zsh')
  expect(zsh).toMatch(/^#compdef valetkey\n/)
  expect(zsh).toContain("'--unprotected:without the care that production needs'")
  const fish = await script('fish')
  expect(fish).toContain(
    `complete -c valetkey -n '__valetkey_at "environment add"' -l unprotected -d 'without the care that production needs'`,
  )
  for (const noun of ['provider', 'connection', 'environment', 'scope', 'agent', 'audit', 'key']) {
    expect(zsh).toContain(`'${noun}:`)
    expect(fish).toContain(`-a ${noun} -d`)
  }
})
