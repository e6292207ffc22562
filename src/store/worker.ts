/** The thread that the embedded database runs in: asked by messages, one after the other. Never answers what is not on disk. */
import { parentPort } from 'node:worker_threads'
import type { PGlite } from '@electric-sql/pglite'
import { openDirectory } from './engine.ts'
import { type Carry, statements } from './statement.ts'

export type Question =
  | { do: 'open'; directory: string }
  | { do: 'query'; text: string; params: unknown[]; rowMode: 'array' | 'object' }
  | { do: 'listen'; channel: string }
  /** What the question with this id listened to. */
  | { do: 'unlisten'; listening: number }
  | { do: 'close' }

export type Ask = { id: number; question: Question }

/** What a query gave. `command` is what PostgreSQL did: a COMMIT may end in a ROLLBACK. */
export type Result = { rows: unknown[]; command?: string | undefined }

/** An error of the database: its message, and the fields that PostgreSQL gave it. */
export type Failure = { message: string; fields: Record<string, string> }

export type Told =
  | { id: number; result: Result }
  | { id: number; failure: Failure }
  | { listening: number; payload: string }
  /** Nothing can be asked any more, and why. */
  | { dead: string }

if (parentPort === null) throw new Error('This file runs as a thread and not by itself')
const port = parentPort
const tell = (told: Told) => port.postMessage(told)

const nothing: Result = { rows: [] }
const listening = new Map<number, () => Promise<void>>()
let pglite: PGlite | undefined
let carry: Carry | undefined
let last: Promise<void> = Promise.resolve()

port.on('message', (ask: Ask) => {
  last = last.then(() => answer(ask))
})

async function answer({ id, question }: Ask): Promise<void> {
  try {
    tell({ id, result: await carryOut(id, question) })
    if (question.do === 'close') port.close()
  } catch (error) {
    tell({ id, failure: failureOf(error) })
    if (isFatal(error)) tell({ dead: error.message })
  }
}

async function carryOut(id: number, question: Question): Promise<Result> {
  if (question.do === 'open') {
    pglite = await openDirectory(question.directory)
    carry = statements(pglite)
    return nothing
  }
  if (pglite === undefined || carry === undefined)
    throw new Error('The database has not been opened')
  switch (question.do) {
    case 'query':
      return carry(question.text, question.params, question.rowMode)
    case 'listen': {
      const heard = (payload: string) => tell({ listening: id, payload })
      listening.set(id, await pglite.listen(question.channel, heard))
      return nothing
    }
    case 'unlisten':
      await listening.get(question.listening)?.()
      listening.delete(question.listening)
      return nothing
    case 'close':
      await pglite.close()
      return nothing
  }
}

function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error), fields: {} }
  const fields = passedOn.flatMap((name) => {
    const value: unknown = Reflect.get(error, name)
    return typeof value === 'string' ? [[name, value]] : []
  })
  return { message: error.message, fields: Object.fromEntries(fields) }
}

/** Not the statement and its parameters, which whoever asked has. */
const passedOn = [
  ...['severity', 'code', 'detail', 'hint', 'position', 'internalPosition', 'internalQuery'],
  ...['where', 'schema', 'table', 'column', 'dataType', 'constraint', 'file', 'line', 'routine'],
]

/** After these PostgreSQL would end its process; here it goes on in a state that nobody vouches for, and may never answer. */
function isFatal(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  if (error.name === 'RuntimeError' || error.name === 'ExitStatus') return true
  const severity: unknown = Reflect.get(error, 'severity')
  return severity === 'PANIC' || severity === 'FATAL'
}
