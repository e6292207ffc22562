/** The JSON reader against JSON.parse: the same values, and a refusal wherever a text has two readings or none. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BrokerError } from '../../src/errors.ts'
import { readJson } from '../../src/providers/json.ts'
import { effortOf } from '../support/effort.ts'

const utf8 = new TextEncoder()

function read(text: string | Uint8Array): unknown {
  return readJson(typeof text === 'string' ? utf8.encode(text) : text)
}

/** The code of the refusal, or undefined when it was read. Anything but a refusal is a bug. */
function refusal(text: string | Uint8Array): string | undefined {
  try {
    read(text)
    return undefined
  } catch (error) {
    if (error instanceof BrokerError) return error.code
    throw error
  }
}

/** Numbers beyond 2^53 are refused, and so is the one key that JavaScript objects cannot hold as data. */
const value = fc.jsonValue({ maxDepth: 6, noUnicodeString: false }).filter((one) => {
  const text = JSON.stringify(one)
  return (
    !text.includes('"__proto__"') &&
    numbers(one).every((n) => !Number.isInteger(n) || Number.isSafeInteger(n))
  )
})

function numbers(one: unknown): number[] {
  if (typeof one === 'number') return [one]
  return typeof one === 'object' && one !== null ? Object.values(one).flatMap(numbers) : []
}

const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/)

describe('readJson', () => {
  it('reads what JSON.stringify writes as JSON.parse does', () => {
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 2, '\t'), space, (one, indent, around) => {
        const text = around + JSON.stringify(one, null, indent) + around
        expect(read(text)).toEqual(JSON.parse(text))
      }),
      { numRuns: 1_000 },
    )
  })

  it('either refuses a text or reads it as JSON.parse does, whatever bytes are changed in it', () => {
    let readable = 0
    fc.assert(
      fc.property(
        value,
        fc.array(
          fc.tuple(
            fc.nat(),
            fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(...utf8.encode('{}[]",:\\u0e-'))),
            fc.nat({ max: 2 }),
          ),
          {
            minLength: 1,
            maxLength: 4,
          },
        ),
        (one, edits) => {
          const bytes = [...utf8.encode(JSON.stringify(one))]
          for (const [at, byte, kind] of edits) {
            const i = at % (bytes.length + 1)
            bytes.splice(i, kind === 0 ? 0 : 1, ...(kind === 2 ? [] : [byte]))
          }
          const changed = Uint8Array.from(bytes)
          if (refusal(changed) !== undefined) return
          readable += 1
          expect(read(changed)).toEqual(JSON.parse(new TextDecoder().decode(changed)))
        },
      ),
      { numRuns: 4_000 },
    )
    expect(readable).toBeGreaterThan(100)
  })

  it('reads no text that JSON.parse refuses, and refuses texts of its letters as it does', () => {
    const letter = fc.constantFrom(...'{}[]",:0123456789.eE+-truefalsn \\u\n')
    fc.assert(
      fc.property(
        fc.array(letter, { maxLength: 12 }).map((all) => all.join('')),
        (text) => {
          const ours = refusal(text)
          let theirs = true
          try {
            JSON.parse(text)
          } catch {
            theirs = false
          }
          if (!theirs) expect(ours).toBeDefined()
          if (theirs && ours !== undefined) expect(ours).toBe('ambiguous-request')
        },
      ),
      { numRuns: 5_000 },
    )
  })

  it('refuses a key that stands twice in one object, at any depth and however it is spelled', () => {
    const escaped = (key: string) =>
      [...key].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z]{1,4}$/),
        value,
        fc.array(fc.constantFrom('list', 'object'), { maxLength: 40 }),
        fc.boolean(),
        (key, one, depth, spelled) => {
          const text = JSON.stringify(one)
          const again = spelled ? escaped(key) : key
          const twice = `{"${key}": ${text}, "other": 1, "${again}": ${text}}`
          const nested = depth.reduce(
            (inner, kind) => (kind === 'list' ? `[0, ${inner}]` : `{"k": ${inner}}`),
            twice,
          )
          expect(refusal(nested)).toBe('ambiguous-request')
        },
      ),
      { numRuns: 500 },
    )
  })

  it('takes the same key in different objects', () => {
    expect(read('{"a": {"a": [{"a": 1}, {"a": 2}]}}')).toEqual({ a: { a: [{ a: 1 }, { a: 2 }] } })
  })

  it.each([
    ['an integer beyond 2^53', '9007199254740993'],
    ['a fraction that becomes one', '9007199254740993.5'],
    ['a number beyond all', '1e400'],
    ['a large power', '1e21'],
  ])('refuses %s, which changes when it is read', (_, text) => {
    expect(refusal(text)).toBe('ambiguous-request')
    expect(refusal(`{"a": [${text}]}`)).toBe('ambiguous-request')
  })

  it.each([
    ['9007199254740991', 9007199254740991],
    ['-0', -0],
    ['1.5e3', 1500],
    ['0.1', 0.1],
    ['""', ''],
    ['"\\ud83d\\ude00"', '😀'],
    [' [] ', []],
    ['{"constructor": 1, "toString": 2}', { constructor: 1, toString: 2 }],
  ])('reads %s', (text, expected) => {
    expect(read(text)).toEqual(expected)
  })

  it.each([
    ['nothing', ''],
    ['a byte order mark', '\ufeff{}'],
    ['a second value', '{} {}'],
    ['a trailing comma', '[1,]'],
    ['a comment', '[1 /* 2 */]'],
    ['single quotes', "{'a': 1}"],
    ['a bare key', '{a: 1}'],
    ['NaN', 'NaN'],
    ['Infinity', '-Infinity'],
    ['a leading zero', '01'],
    ['a bare point', '.5'],
    ['a plus', '+1'],
    ['an unfinished number', '1e'],
    ['a tab in a string', '"\t"'],
    ['half a character', '"\\ud83d"'],
    ['half a character in a key', '{"\\ude00": 1}'],
    ['a bad escape', '"\\x41"'],
    ['an escaped quote at the end', '"\\"'],
    ['a no-break space', '\u00a0{}'],
    ['a form feed', '\f{}'],
    ['a key of prototypes', '{"__proto__": {"a": 1}}'],
    ['the same, spelled with escapes', '{"\\u005f_proto__": 1}'],
    ['100,000 brackets', '['.repeat(100_000)],
    ['100,000 objects', '{"a":'.repeat(100_000)],
    ['100,000 closed brackets', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['a string that does not end', `"${'a'.repeat(1_000_000)}`],
  ])('refuses %s', (_, text) => {
    const effort = effortOf(() => expect(refusal(text)).toBe('malformed-request'))
    expect(effort).toBeLessThan(500)
  })

  it.each([
    ['a lone continuation byte', [0x22, 0x80, 0x22]],
    ['an overlong slash', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['a character cut short', [0x22, 0xf0, 0x9f, 0x22]],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]],
  ])('refuses bytes that are no UTF-8: %s', (_, bytes) => {
    expect(refusal(Uint8Array.from(bytes))).toBe('malformed-request')
  })

  it('is bounded by depth, and its bound is far above what an API asks for', () => {
    const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`
    expect(read(nested(40))).toEqual(JSON.parse(nested(40)))
    expect(refusal(nested(60))).toBe('malformed-request')
  })

  it('takes time in proportion to a long text', () => {
    const text = `[${Array.from({ length: 200_000 }, (_, i) => `{"k${i}": "v"}`).join(',')}]`
    expect(effortOf(() => expect(read(text)).toHaveLength(200_000))).toBeLessThan(3_000)
  })
})
