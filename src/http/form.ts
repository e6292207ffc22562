/** Reads a form body strictly: one encoding, one reading, no name twice. Never repairs, never repeats a value in an error. */
import { OauthError } from '../tokens/oauth-error.ts'

const type =
  /^application\/x-www-form-urlencoded(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?[ \t]*$/i

/** Parameters by name; one without a value counts as absent (RFC 6749 section 3.2). */
export type Form = ReadonlyMap<string, string>

export async function readForm(request: Request, maxBytes: number): Promise<Form> {
  if (!type.test(request.headers.get('content-type') ?? '')) {
    throw new OauthError(
      'invalid_request',
      'Send the parameters in the body as application/x-www-form-urlencoded.',
    )
  }
  if (request.headers.has('content-encoding')) {
    throw new OauthError('invalid_request', 'Send the body without a content encoding.')
  }
  if (new URL(request.url).search !== '') {
    throw new OauthError('invalid_request', 'Send the parameters in the body, not in the address.')
  }
  return parseForm(await readText(request, maxBytes))
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  // No more bytes come than were announced, and without a stream they cost a fraction.
  const announced = request.headers.get('content-length')
  if (announced !== null && Number(announced) <= maxBytes) {
    return Buffer.from(await request.arrayBuffer()).toString('latin1')
  }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength
    if (size > maxBytes) {
      throw new OauthError('invalid_request', `Send a body of at most ${maxBytes} bytes.`, 413)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('latin1')
}

function parseForm(text: string): Form {
  const form = new Map<string, string>()
  if (text === '') return form
  for (const pair of text.split('&')) {
    const at = pair.indexOf('=')
    const name = formDecode(at < 0 ? pair : pair.slice(0, at))
    const value = at < 0 ? '' : formDecode(pair.slice(at + 1))
    if (name === null || value === null) {
      throw new OauthError(
        'invalid_request',
        'Encode the body as application/x-www-form-urlencoded, in UTF-8.',
      )
    }
    if (form.has(name)) throw new OauthError('invalid_request', 'Send every parameter once.')
    form.set(name, value)
  }
  return new Map([...form].filter(([, value]) => value !== ''))
}

/** Null for what is not the encoding of a text. */
export function formDecode(encoded: string): string | null {
  if (/[^\x20-\x7e]/.test(encoded)) return null
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '))
  } catch {
    // A stray percent sign, or bytes that are no UTF-8: the caller says what to do.
    return null
  }
}
