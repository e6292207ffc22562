/**
 * The log on stderr: JSON lines, or a line for people on a terminal. Errors are written by their code, message and cause;
 * what else hangs on them is not, since a library's error may hold a request with its credential.
 */
import { styleText } from 'node:util'
import pino from 'pino'

export type Logger = pino.Logger

export function createLog(options: {
  level: string
  human: boolean
  out: NodeJS.WritableStream
}): Logger {
  const { level, human, out } = options
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: plainError },
    },
    { write: (line: string) => void out.write(human ? forPeople(line) : line) },
  )
}

type PlainError = {
  name: string
  message: string
  code?: string
  stack?: string
  cause?: PlainError
}

/** Name, message, code and stack, of the causes too. Never other members. */
function plainError(error: unknown, depth = 0): PlainError {
  if (!(error instanceof Error)) return { name: typeof error, message: 'not an error' }
  const code: unknown = Reflect.get(error, 'code')
  return {
    name: error.name,
    message: withoutParameters(error.message),
    ...(typeof code === 'string' ? { code } : {}),
    ...(error.stack === undefined ? {} : { stack: frames(error.stack) }),
    ...(error.cause === undefined || depth > 4
      ? {}
      : { cause: plainError(error.cause, depth + 1) }),
  }
}

/** Where it happened, without the message that a stack begins with. */
function frames(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n')
}

/** drizzle writes a failed query's parameters into the message: hashes and sealed texts, which no log needs. */
function withoutParameters(message: string): string {
  return message.replace(/\nparams: [\s\S]*$/, '')
}

const colours = { 10: 'gray', 20: 'gray', 30: 'green', 40: 'yellow', 50: 'red', 60: 'red' } as const

function forPeople(line: string): string {
  const { time, level, msg, err, ...rest } = JSON.parse(line)
  const label = pino.levels.labels[level] ?? 'info'
  const colour = Object.entries(colours).find(([value]) => Number(value) === level)?.[1] ?? 'green'
  const facts = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const cause =
    err === undefined
      ? []
      : [`(${err.message}${err.cause === undefined ? '' : `: ${err.cause.message}`})`]
  const clock = styleText('gray', String(time).slice(11, 19))
  return `${[clock, styleText(colour, label), msg, ...facts, ...cause].join(' ')}\n`
}
