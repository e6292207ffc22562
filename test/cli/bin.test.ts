import { expect, test } from 'vitest'
import { folder } from '../support/folder.ts'
import { valetkey } from './valetkey.ts'

const config = await folder()

const pretending = (version: string) => [
  '--import',
  `data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'${version}'}})`,
]

test('a Node that is too old is told which one is needed, in one line, and nothing else happens', async () => {
  for (const version of ['12.22.12', '20.20.2', '23.11.0']) {
    const ended = await valetkey(['--help'], { config, node: pretending(version) })
    expect(ended.code).toBe(1)
    expect(ended.stdout).toBe('')
    expect(ended.stderr).toMatch(/^valetkey needs Node 24 or newer and this is Node [\d.]+: .*\n$/)
    expect(ended.stderr).toContain(`this is Node ${version}`)
    expect(ended.stderr).toContain('npx -p node@24')
    expect(ended.stderr).toContain('npm install -D node@24')
  }
})

test('a Node that is new enough is handed the command line', async () => {
  for (const version of ['24.0.0', '26.1.0']) {
    const ended = await valetkey(['--version'], { config, node: pretending(version) })
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(ended.stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  }
})
