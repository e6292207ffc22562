/**
 * Takes texts out of a JSON answer by the names of their fields: credentials that an API adds to what was asked for. Never changes
 * anything else of it.
 */

/** A JSON text is a quoted text; inside of another one both of its quotes would be escaped, so that cannot be met by mistake. */
export function concealed(names: readonly string[], body: Buffer): Buffer {
  const name = names.map((one) => one.replaceAll(/[^A-Za-z0-9_]/g, '\\$&')).join('|')
  const fields = new RegExp(`("(?:${name})"\\s*:\\s*)"(?:[^"\\\\]|\\\\.)*"`, 'g')
  const text = body.toString('latin1')
  return fields.test(text) ? Buffer.from(text.replaceAll(fields, '$1null'), 'latin1') : body
}
