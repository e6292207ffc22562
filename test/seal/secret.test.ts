import { Console } from 'node:console'
import { PassThrough } from 'node:stream'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { secret } from '../../src/seal/secret.ts'

const value = 'a-value-nobody-may-see'
const held = secret(value)

test('a secret gives its value to whoever asks for it by name', () => {
  expect(held.reveal()).toBe(value)
})

test.each<[string, () => string]>([
  ['String', () => String(held)],
  ['a template', () => `${held}`],
  ['JSON', () => JSON.stringify(held)],
  ['JSON of what holds it', () => JSON.stringify({ held, list: [held] })],
  ['inspect', () => inspect(held)],
  ['inspect of what holds it', () => inspect({ deep: { deeper: { held } } }, { depth: null })],
  ['inspect with hidden members', () => inspect({ held }, { showHidden: true, depth: null })],
  [
    'inspect without custom forms',
    () => inspect(held, { customInspect: false, showHidden: true, depth: null }),
  ],
  ['inspect of a copy', () => inspect({ ...held }, { showHidden: true, depth: null })],
  [
    'inspect as a key and a member',
    () => inspect(new Map([[held, new Set([held])]]), { depth: null }),
  ],
  ['an error that carries it', () => inspect(Object.assign(new Error(`with ${held}`), { held }))],
  ['its members', () => Object.values(held).join()],
])('a secret does not appear in %s', (_, show) => {
  expect(show()).not.toContain(value)
})

test('a secret does not appear on a console', async () => {
  const stream = new PassThrough()
  new Console(stream).log('%s %o %O %j', held, held, held, held, { held })
  stream.end()
  const printed = Buffer.concat(await stream.toArray()).toString()
  expect(printed).toContain('[secret]')
  expect(printed).not.toContain(value)
})

test('a secret cannot be cloned, and the refusal does not tell it', () => {
  expect(() => structuredClone({ held })).toThrow(
    expect.objectContaining({
      name: 'DataCloneError',
      message: expect.not.stringContaining(value),
    }),
  )
})

test('a secret cannot be changed', () => {
  expect(Reflect.set(held, 'reveal', () => 'other')).toBe(false)
  expect(held.reveal()).toBe(value)
})
