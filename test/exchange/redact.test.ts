/** No byte of an answer brings the credential back, however the upstream spelled it and however the network cut it. */
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formsOf, redactStream, redactText, redactWhole } from '../../src/exchange/redact.ts'
import { secret } from '../../src/seal/secret.ts'

const mark = '[redacted]'

/** Printable text; one that is a part of the mark itself would be found in what takes its place. */
const secretText = fc
  .string({ unit: 'binary-ascii', minLength: 8, maxLength: 200 })
  .map((text) => text.replaceAll(/[^ -~]/g, 'x'))
  .filter((text) => !mark.includes(text))

const hex = (text: string) => Buffer.from(text).toString('hex')
const percent = (text: string) =>
  [...text].map((char) => (/[\w.~-]/.test(char) ? char : `%${hex(char).toUpperCase()}`)).join('')

/** Each way in which a server may put a secret into an answer, between other bytes. */
const embeddings: Record<string, (text: string, before: string, after: string) => string> = {
  raw: (text, before, after) => before + text + after,
  base64: (text, before, after) => Buffer.from(before + text + after).toString('base64'),
  base64url: (text, before, after) => Buffer.from(before + text + after).toString('base64url'),
  hex: (text, before, after) => hex(before + text + after),
  HEX: (text, before, after) => hex(before + text + after).toUpperCase(),
  percent: (text, before, after) => encodeURIComponent(before + text + after),
  'strict percent': (text, before, after) => percent(before + text + after),
  'lower-case percent': (text, before, after) =>
    percent(before + text + after).replaceAll(/%../g, (code) => code.toLowerCase()),
  form: (text, before, after) => percent(before + text + after).replaceAll('%20', '+'),
  JSON: (text, before, after) => JSON.stringify({ echo: before + text + after }),
  'JSON with escaped slashes': (text, before, after) =>
    JSON.stringify(before + text + after).replaceAll('/', '\\/'),
  'JSON for HTML': (text, before, after) =>
    JSON.stringify(before + text + after).replaceAll(/[<>&]/g, (c) => `\\u00${hex(c)}`),
  HTML: (text, before, after) =>
    (before + text + after)
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;'),
}

/** Reads an answer as somebody would who hopes to find it: every encoding undone. */
function reveals(output: Buffer, text: string): boolean {
  const shown = output.toString('latin1')
  const undone = [
    shown,
    shown.replaceAll('\\/', '/'),
    unescaped(shown),
    decoded(shown),
    decoded(shown.replaceAll('+', ' ')),
    shown.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
    ...[0, 1].map((skip) => Buffer.from(shown.slice(skip), 'hex').toString('latin1')),
    ...[0, 1, 2, 3].map((skip) => Buffer.from(shown.slice(skip), 'base64').toString('latin1')),
  ]
  return undone.some((one) => one.includes(text))
}

function unescaped(shown: string): string {
  return shown
    .replaceAll(/\\u00([0-9a-f]{2})/gi, (_, code) => String.fromCharCode(Number.parseInt(code, 16)))
    .replaceAll(/\\(.)/g, '$1')
}

function decoded(shown: string): string {
  return shown.replaceAll(/%([0-9a-f]{2})/gi, (_, code) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  )
}

async function* cutInto(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0
  for (let i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

const around = fc.string({ maxLength: 40 }).map((text) => text.replaceAll(/[^ -~]/g, 'y'))
/** Secrets that touch become one mark. */
const between = around.map((text) => `${text}.`)
const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 8 })

describe('an answer', () => {
  it.each(Object.entries(embeddings))('never brings the secret back: %s', async (_, embed) => {
    await fc.assert(
      fc.asyncProperty(secretText, around, around, sizes, async (text, before, after, cuts) => {
        const forms = formsOf([secret(text)])
        const bytes = Buffer.from(embed(text, before, after))
        expect(reveals(bytes, text)).toBe(true)
        const whole = redactWhole(forms, bytes)
        const streamed = await collect(redactStream(forms, cutInto(bytes, cuts), 100_000))
        expect(reveals(whole, text)).toBe(false)
        expect(reveals(streamed, text)).toBe(false)
        expect(whole.includes(mark) && streamed.includes(mark)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('gives none of several secrets, next to and within each other', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(secretText, { minLength: 2, maxLength: 3 }),
        sizes,
        async (all, cuts) => {
          const [first = ''] = all
          const texts = [...all, first.slice(0, 8), first + first].filter(
            (one) => !mark.includes(one),
          )
          const forms = formsOf(texts.map(secret))
          const bytes = Buffer.from(`${texts.join('')} ${texts.join(' ')}`)
          const streamed = await collect(redactStream(forms, cutInto(bytes, cuts), 1_000_000))
          for (const text of texts) expect(streamed.includes(text)).toBe(false)
          for (const text of texts) expect(redactWhole(forms, bytes).includes(text)).toBe(false)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('passes unchanged where there is no secret, any bytes in any pieces', async () => {
    const forms = formsOf([secret('rw_0123456789abcdef')])
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 600 }), sizes, async (given, cuts) => {
        const bytes = Buffer.from(given)
        expect(redactWhole(forms, bytes)).toEqual(bytes)
        expect(await collect(redactStream(forms, cutInto(bytes, cuts), 600))).toEqual(bytes)
      }),
      { numRuns: 150 },
    )
  })

  it('keeps every byte around a secret, streamed or whole', async () => {
    const text = 'rw_0123456789abcdef'
    const forms = formsOf([secret(text)])
    await fc.assert(
      fc.asyncProperty(fc.array(between, { maxLength: 6 }), sizes, async (pieces, cuts) => {
        const bytes = Buffer.from(pieces.join(text))
        const streamed = await collect(redactStream(forms, cutInto(bytes, cuts), 100_000))
        expect(streamed.toString()).toBe(pieces.join(mark))
        expect(redactText(forms, pieces.join(text))).toBe(pieces.join(mark))
      }),
      { numRuns: 150 },
    )
  })

  it('is cut off at the limit with an error, and never before', async () => {
    const forms = formsOf([secret('rw_0123456789abcdef')])
    const bytes = Buffer.alloc(1_000, 'a')
    expect(await collect(redactStream(forms, cutInto(bytes, [7]), 1_000))).toEqual(bytes)
    await expect(collect(redactStream(forms, cutInto(bytes, [7]), 999))).rejects.toMatchObject({
      code: 'response-unredactable',
    })
  })

  it('holds back no more than a secret could take, so that a stream goes on', async () => {
    const forms = formsOf([secret('rw_0123456789abcdef')])
    let given = 0
    async function* endless() {
      for (;;) {
        given += 1_000
        yield Buffer.alloc(1_000, 'a')
      }
    }
    let taken = 0
    for await (const chunk of redactStream(forms, endless(), 10_000_000)) {
      taken += chunk.length
      if (taken > 50_000) break
    }
    expect(given - taken).toBeLessThanOrEqual(1_000 + forms.longest)
  })
})

describe('the forms of a secret', () => {
  it('cannot be printed', () => {
    const forms = formsOf([secret('rw_0123456789abcdef')])
    for (const shown of [JSON.stringify(forms), inspect(forms, { depth: 9, showHidden: true })]) {
      expect(shown).not.toContain('0123456789')
    }
  })

  it('are found in bounded time even of nothing, or of one letter', () => {
    for (const text of ['', 'a']) {
      expect(redactText(formsOf([secret(text)]), 'bbb')).toBe('bbb')
    }
    expect(redactText(formsOf([]), 'anything')).toBe('anything')
  })
})
