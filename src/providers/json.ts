/**
 * Reads JSON (RFC 8259) that has exactly one meaning: no duplicate keys, no numbers that change when read, no
 * prototype keys, bounded depth. Never repairs anything.
 */
import { BrokerError } from '../errors.ts'

const maxDepth = 48
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const numberForm = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const forbiddenKeys = new Set(['__proto__'])

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** Throws `malformed-request` for what is no JSON, `ambiguous-request` for what has two readings. */
export function readJson(bytes: Uint8Array): Json {
  const reader = { text: decode(bytes), at: 0 }
  const value = readValue(reader, 0)
  skipSpace(reader)
  if (reader.at < reader.text.length) throw malformed(reader, 'something follows the value')
  return value
}

type Reader = { text: string; at: number }

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new BrokerError(
      'malformed-request',
      'The body is not valid UTF-8.',
      { hint: 'Send JSON encoded as UTF-8.' },
      cause,
    )
  }
}

function readValue(reader: Reader, depth: number): Json {
  if (depth > maxDepth) throw malformed(reader, `it is nested deeper than ${maxDepth} levels`)
  skipSpace(reader)
  const char = reader.text[reader.at]
  if (char === '{') return readObject(reader, depth)
  if (char === '[') return readArray(reader, depth)
  if (char === '"') return readString(reader)
  if (char === 't') return readWord(reader, 'true', true)
  if (char === 'f') return readWord(reader, 'false', false)
  if (char === 'n') return readWord(reader, 'null', null)
  return readNumber(reader)
}

function readObject(reader: Reader, depth: number): Json {
  const entries = new Map<string, Json>()
  reader.at += 1
  skipSpace(reader)
  if (take(reader, '}')) return {}
  for (;;) {
    skipSpace(reader)
    if (reader.text[reader.at] !== '"') throw malformed(reader, 'a key must be a string')
    const key = readString(reader)
    if (entries.has(key)) {
      throw new BrokerError(
        'ambiguous-request',
        `The body has the key ${show(key)} twice in one object.`,
        {
          hint: 'Send each key once.',
        },
      )
    }
    if (forbiddenKeys.has(key)) throw malformed(reader, `the key ${show(key)} is not accepted`)
    skipSpace(reader)
    if (!take(reader, ':')) throw malformed(reader, 'a colon is missing')
    entries.set(key, readValue(reader, depth + 1))
    skipSpace(reader)
    if (take(reader, '}')) return Object.fromEntries(entries)
    if (!take(reader, ',')) throw malformed(reader, 'a comma or a brace is missing')
  }
}

function readArray(reader: Reader, depth: number): Json {
  const items: Json[] = []
  reader.at += 1
  skipSpace(reader)
  if (take(reader, ']')) return items
  for (;;) {
    items.push(readValue(reader, depth + 1))
    skipSpace(reader)
    if (take(reader, ']')) return items
    if (!take(reader, ',')) throw malformed(reader, 'a comma or a bracket is missing')
  }
}

/** Finds the end of the string itself and leaves its escapes to JSON.parse, which knows them all. */
function readString(reader: Reader): string {
  const start = reader.at
  let at = start + 1
  for (;;) {
    const code = reader.text.charCodeAt(at)
    if (code === 0x22) break
    if (Number.isNaN(code)) throw malformed(reader, 'a string does not end')
    if (code < 0x20) throw malformed(reader, 'a string holds a control character')
    at += code === 0x5c ? 2 : 1
  }
  reader.at = at + 1
  let value: unknown
  try {
    value = JSON.parse(reader.text.slice(start, reader.at))
  } catch {
    throw malformed(reader, 'a string has a bad escape')
  }
  if (typeof value !== 'string' || !value.isWellFormed()) {
    throw malformed(reader, 'a string holds half a character')
  }
  return value
}

function readNumber(reader: Reader): number {
  numberForm.lastIndex = reader.at
  const source = numberForm.exec(reader.text)?.[0]
  if (source === undefined) throw malformed(reader, 'a value is missing')
  const value = Number(source)
  const changes = Number.isInteger(value) ? !Number.isSafeInteger(value) : !Number.isFinite(value)
  if (changes) {
    throw new BrokerError(
      'ambiguous-request',
      `The number ${source.slice(0, 40)} changes when it is read.`,
      {
        hint: 'Send numbers of this size as strings, if the API takes them.',
      },
    )
  }
  reader.at += source.length
  return value
}

function readWord<T>(reader: Reader, word: string, value: T): T {
  if (!reader.text.startsWith(word, reader.at)) throw malformed(reader, 'a value is missing')
  reader.at += word.length
  return value
}

function skipSpace(reader: Reader): void {
  for (;;) {
    const code = reader.text.charCodeAt(reader.at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
    reader.at += 1
  }
}

function take(reader: Reader, char: string): boolean {
  if (reader.text[reader.at] !== char) return false
  reader.at += 1
  return true
}

function show(key: string): string {
  return JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}…` : key)
}

function malformed(reader: Reader, what: string): BrokerError {
  return new BrokerError(
    'malformed-request',
    `The body is not JSON: ${what}, at character ${reader.at}.`,
    {
      hint: 'Send one JSON value.',
    },
  )
}
