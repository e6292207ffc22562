import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { decodeProtectedHeader } from 'jose'
import { expect, test } from 'vitest'
import { assertOpens, sealCheckRow } from '../../src/seal/check.ts'
import { createKeyring, kidOf } from '../../src/seal/keyring.ts'

const [first, second] = [randomBytes(32), randomBytes(32)]
const keyring = createKeyring([first])
const row = 'connections/railway/secret'

test('what is sealed opens again, whatever it is', async () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 4_000 })
  await fc.assert(
    fc.asyncProperty(text, text, async (place, value) => {
      const opened = await keyring.open(place, await keyring.seal(place, value))
      expect(opened.reveal()).toBe(value)
    }),
  )
})

test('the header names the key, the row and nothing of the value', async () => {
  const sealed = await keyring.seal(row, 'value')
  expect(decodeProtectedHeader(sealed)).toEqual({
    alg: 'dir',
    enc: 'A256GCM',
    kid: keyring.current,
    row,
  })
  expect(kidOf(sealed)).toBe(keyring.current)
})

test('equal values are sealed differently', async () => {
  expect(await keyring.seal(row, 'value')).not.toBe(await keyring.seal(row, 'value'))
})

test('a value that was moved to another row does not open', async () => {
  const sealed = await keyring.seal(row, 'value')
  await expect(keyring.open('connections/github/secret', sealed)).rejects.toMatchObject({
    code: 'internal',
    message: expect.stringContaining('connections/github/secret'),
  })
})

test('a value whose header was rewritten to name another row does not open', async () => {
  const [header, ...rest] = (await keyring.seal(row, 'value')).split('.')
  const renamed = { ...JSON.parse(Buffer.from(header ?? '', 'base64url').toString()), row: 'other' }
  const forged = [Buffer.from(JSON.stringify(renamed)).toString('base64url'), ...rest].join('.')
  await expect(keyring.open('other', forged)).rejects.toMatchObject({ code: 'internal' })
})

test('a value does not open with another key, even one that claims its name', async () => {
  const sealed = await keyring.seal(row, 'value')
  const other = createKeyring([second])
  await expect(other.open(row, sealed)).rejects.toMatchObject({ code: 'internal' })
  const [header, ...rest] = sealed.split('.')
  const claimed = {
    ...JSON.parse(Buffer.from(header ?? '', 'base64url').toString()),
    kid: other.current,
  }
  const forged = [Buffer.from(JSON.stringify(claimed)).toString('base64url'), ...rest].join('.')
  await expect(other.open(row, forged)).rejects.toMatchObject({ code: 'internal' })
})

test('no single character of a sealed value can be changed', async () => {
  const sealed = await keyring.seal(row, 'a value of some length')
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.'
  const at = fc.nat({ max: sealed.length - 1 })
  const to = fc.constantFrom(...alphabet).filter((character) => character !== '')
  await fc.assert(
    fc.asyncProperty(at, to, async (index, character) => {
      fc.pre(sealed[index] !== character)
      const altered = sealed.slice(0, index) + character + sealed.slice(index + 1)
      await expect(keyring.open(row, altered)).rejects.toMatchObject({ code: 'internal' })
    }),
    { numRuns: 500 },
  )
})

test.each(['', 'x', '....', 'a.b.c.d.e', `${'e30'}....`])(
  'what was never sealed (%j) does not open',
  async (text) => {
    await expect(keyring.open(row, text)).rejects.toMatchObject({ code: 'internal' })
  },
)

test('a refusal to open does not tell the value', async () => {
  const sealed = await keyring.seal(row, 'a-value-nobody-may-see')
  const error = await keyring.open('other', sealed).catch((cause: unknown) => cause)
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('nobody-may-see')
})

test('the first key seals and every key opens', async () => {
  const sealed = await keyring.seal(row, 'value')
  const both = createKeyring([second, first])
  expect(both.current).toBe(createKeyring([second]).current)
  expect((await both.open(row, sealed)).reveal()).toBe('value')
  expect(kidOf(await both.seal(row, 'value'))).toBe(both.current)
})

test('a keyring whose keys were replaced seals with the new one', async () => {
  const ring = createKeyring([first])
  const sealed = await ring.seal(row, 'value')
  ring.replace([second, first])
  expect((await ring.open(row, sealed)).reveal()).toBe('value')
  expect(kidOf(await ring.seal(row, 'value'))).toBe(createKeyring([second]).current)
})

test('a keyring takes no key of another length, and not none', () => {
  expect(() => createKeyring([randomBytes(31)])).toThrow('32 bytes')
  expect(() => createKeyring([])).toThrow('no master key')
})

test('the check row opens with the key that sealed it and stops a start with another', async () => {
  const sealed = await sealCheckRow(keyring)
  await assertOpens(keyring, sealed)
  await assertOpens(keyring, null)
  const other = createKeyring([second])
  await expect(assertOpens(other, sealed)).rejects.toThrow(
    `it needs key ${keyring.current} and was given ${other.current}`,
  )
})

test('a check row that was swapped for another sealed value stops a start', async () => {
  await expect(assertOpens(keyring, await keyring.seal(row, 'valetkey'))).rejects.toThrow(
    'not the one that sealed',
  )
})
