/** Carries out a statement of the embedded database in one message, prepared once. Never keeps one that PostgreSQL refused. */
import { type PGlite, protocol } from '@electric-sql/pglite'
import type { Result } from './worker.ts'

const { serialize } = protocol

/** What varies in its text would otherwise fill the memory of the session. */
const maxPrepared = 256

export type Carry = (
  text: string,
  params: readonly unknown[],
  rowMode: 'array' | 'object',
) => Promise<Result>

/** PGlite's own way takes six messages and plans each time: four times as long for a small statement. */
export function statements(pglite: PGlite): Carry {
  const prepared = new Map<string, string>()
  let made = 0

  return async (text, params, rowMode) => {
    const known = prepared.get(text)
    const name = known ?? (prepared.size < maxPrepared ? `s${++made}` : '')
    const message = Buffer.concat([
      ...(known === undefined ? [serialize.parse({ name, text })] : []),
      serialize.bind({ statement: name, values: params.map(asParameter) }),
      serialize.describe({ type: 'P' }),
      serialize.execute({}),
      serialize.sync(),
    ])
    const { messages } = await pglite.execProtocol(message)
    if (name !== '') prepared.set(text, name)
    return read(messages, pglite.parsers, rowMode)
  }
}

type Messages = Awaited<ReturnType<PGlite['execProtocol']>>['messages']
type Field = { name: string; dataTypeID: number }

function read(messages: Messages, parsers: PGlite['parsers'], rowMode: 'array' | 'object'): Result {
  let fields: readonly Field[] = []
  let command: string | undefined
  const rows: unknown[] = []
  const value = (text: string | null, index: number) => {
    const type = fields[index]?.dataTypeID ?? 0
    return text === null ? null : (parsers[type]?.(text, type) ?? text)
  }
  for (const message of messages) {
    if (message instanceof protocol.messages.RowDescriptionMessage) fields = message.fields
    else if (message instanceof protocol.messages.DataRowMessage) {
      const values = message.fields.map(value)
      rows.push(
        rowMode === 'array'
          ? values
          : Object.fromEntries(values.map((one, index) => [fields[index]?.name, one])),
      )
    } else if (message instanceof protocol.messages.CommandCompleteMessage) {
      command = message.text.split(' ')[0]
    }
  }
  return { rows, command }
}

/** As PostgreSQL reads it, whatever the type turns out to be. */
function asParameter(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (Array.isArray(value)) return `{${value.map(asElement).join(',')}}`
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function asElement(value: unknown): string {
  const text = asParameter(value)
  if (text === null) return 'NULL'
  return Array.isArray(value) ? text : `"${text.replace(/[\\"]/g, '\\$&')}"`
}
