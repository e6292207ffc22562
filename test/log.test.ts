import { expect, it } from 'vitest'
import { createLog } from '../src/log.ts'
import { secret } from '../src/seal/secret.ts'

function logged(write: (log: ReturnType<typeof createLog>) => void, human = false): string {
  const lines: string[] = []
  // The log only writes.
  const out = { write: (line: string) => lines.push(line) } as unknown as NodeJS.WritableStream
  write(createLog({ level: 'trace', human, out }))
  return lines.join('')
}

it('writes no parameter of a failed query, in message or stack', () => {
  const error = new Error('Failed query: insert into x values ($1)\nparams: sealed-value,another')
  const text = logged((log) => log.error({ err: error }, 'failed'))
  expect(text).toContain('insert into x')
  expect(text).not.toContain('sealed-value')
  expect(text).toContain('log.test.ts')
})

it('writes of an error its name, message, code, stack and causes, and nothing else that hangs on it', () => {
  const cause = Object.assign(new Error('inner'), {
    code: 'ECONNRESET',
    headers: 'authorization: Bearer abc',
  })
  const text = logged((log) => log.error({ err: new Error('outer', { cause }) }, 'failed'))
  expect(JSON.parse(text)).toMatchObject({
    err: { message: 'outer', cause: { message: 'inner', code: 'ECONNRESET' } },
  })
  expect(text).not.toContain('Bearer abc')
})

it('shows a secret as a mask, to machines and to people', () => {
  for (const human of [false, true]) {
    const text = logged((log) => log.info({ held: secret('the-real-thing') }, 'holding'), human)
    expect(text).toContain('[secret]')
    expect(text).not.toContain('the-real-thing')
  }
})
