/**
 * Takes a connection's credential out of what comes back, raw and in the encodings that a server may put it in, across
 * chunk boundaries. A second net: what is known to echo requests is `reveal` and does not pass the first.
 */
import { BrokerError } from '../errors.ts'
import type { Secret } from '../seal/secret.ts'

const mark = Buffer.from('[redacted]')

/** Every form of the secrets that is looked for. Opaque, so that it cannot be printed. */
export type Forms = {
  readonly find: (bytes: Buffer) => Span[]
  readonly shortest: number
  readonly longest: number
}
type Span = { start: number; end: number }

export function formsOf(secrets: readonly Secret[]): Forms {
  const texts = new Set(secrets.flatMap((one) => spellings(one.reveal())))
  // An empty form would be found everywhere, without end.
  const forms = [...texts].filter((text) => text !== '').map((text) => Buffer.from(text, 'utf8'))
  // One search for any of them tells most answers from those that need one for each.
  const any = new RegExp(
    forms.map((form) => form.toString('latin1').replaceAll(/\W/g, hexEscape)).join('|'),
  )
  return Object.freeze({
    find: (bytes: Buffer) =>
      any.test(bytes.toString('latin1'))
        ? merge(forms.flatMap((form) => occurrences(bytes, form)))
        : [],
    shortest: Math.min(...forms.map((form) => form.length)),
    longest: Math.max(1, ...forms.map((form) => form.length)),
  })
}

/** For a regular expression over bytes as Latin-1. */
function hexEscape(char: string): string {
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
}

function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret, 'utf8')
  const hex = bytes.toString('hex')
  const json = JSON.stringify(secret).slice(1, -1)
  const percent = encodeURIComponent(secret)
  const strict = percent.replaceAll(/[!'()*]/g, escapedByte)
  const base64 = [0, 1, 2].map((offset) => aligned(bytes, offset))
  return [
    secret,
    hex,
    hex.toUpperCase(),
    ...base64,
    ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
    ...[percent, strict].flatMap((text) => [text, text.replaceAll('%20', '+')]).flatMap(bothCases),
    json,
    json.replaceAll('/', '\\/'),
    json.replaceAll(/[&<>]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`),
    secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
  ]
}

function escapedByte(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`
}

function bothCases(text: string): string[] {
  return [text, text.replaceAll(/%../g, (code) => code.toLowerCase())]
}

/**
 * The characters of a base64 text that come from these bytes alone, when `offset` bytes modulo three precede them: the
 * first and last characters also depend on their neighbours.
 */
function aligned(bytes: Buffer, offset: number): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
  return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
}

function occurrences(bytes: Buffer, form: Buffer): Span[] {
  const spans: Span[] = []
  for (let at = bytes.indexOf(form); at >= 0; at = bytes.indexOf(form, at + 1)) {
    spans.push({ start: at, end: at + form.length })
  }
  return spans
}

function merge(spans: Span[]): Span[] {
  const merged: Span[] = []
  for (const span of spans.sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1)
    if (last !== undefined && span.start <= last.end) last.end = Math.max(last.end, span.end)
    else merged.push(span)
  }
  return merged
}

/** The bytes without the secrets. */
export function redactWhole(forms: Forms, bytes: Buffer): Buffer {
  const spans = forms.find(bytes)
  return spans.length === 0 ? bytes : cut(bytes, spans, bytes.length)
}

export function redactText(forms: Forms, text: string): string {
  // What is shorter than every form, as most header values are, holds none.
  if (Buffer.byteLength(text) < forms.shortest) return text
  return redactWhole(forms, Buffer.from(text, 'utf8')).toString('utf8')
}

function cut(bytes: Buffer, spans: readonly Span[], until: number): Buffer {
  const pieces: Buffer[] = []
  let at = 0
  for (const { start, end } of spans) {
    if (start >= until) break
    pieces.push(bytes.subarray(at, start), mark)
    at = end
  }
  pieces.push(bytes.subarray(at, Math.max(at, until)))
  return Buffer.concat(pieces)
}

/** The same over a stream: holds back as many bytes as the start of a secret could take, and gives at most `maxBytes`. */
export async function* redactStream(
  forms: Forms,
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0)
  let total = 0
  for await (const chunk of chunks) {
    total += chunk.length
    if (total > maxBytes) throw tooLarge(maxBytes)
    const bytes = Buffer.concat([held, chunk])
    const spans = forms.find(bytes)
    const safe = safeEnd(bytes.length - (forms.longest - 1), spans)
    if (safe <= 0) {
      held = bytes
      continue
    }
    held = bytes.subarray(safe)
    yield cut(
      bytes,
      spans.filter(({ start }) => start < safe),
      safe,
    )
  }
  const rest = redactWhole(forms, held)
  if (rest.length > 0) yield rest
}

/** A secret that straddles the limit goes out whole, as its mark. */
function safeEnd(limit: number, spans: readonly Span[]): number {
  const straddling = spans.find(({ start, end }) => start < limit && end > limit)
  return straddling?.end ?? limit
}

export function tooLarge(maxBytes: number): BrokerError {
  return new BrokerError(
    'response-unredactable',
    `The upstream's answer is larger than ${maxBytes} bytes, which is more than the broker relays.`,
    { hint: 'Ask for less at a time, with paging.' },
  )
}
