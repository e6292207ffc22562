/** How a command ends badly: a stable code, what happened, what to do next. Never holds a secret; all of it is shown. */

export class Failure extends Error {
  readonly code: string
  readonly hint: string | undefined
  /** 1 refused or failed, 2 the command line cannot be used. */
  readonly exit: 1 | 2
  /** What a machine gets to read: the broker's own problem document where there is one. */
  readonly document: Record<string, unknown>

  constructor(
    code: string,
    detail: string,
    rest: { hint?: string | undefined; exit?: 1 | 2; document?: Record<string, unknown> } = {},
  ) {
    super(detail)
    this.name = 'Failure'
    this.code = code
    this.hint = rest.hint
    this.exit = rest.exit ?? 1
    this.document = rest.document ?? {
      type: `urn:valetkey:problem:${code}`,
      detail,
      code,
      ...(rest.hint === undefined ? {} : { hint: rest.hint }),
    }
  }
}

export function usage(detail: string, hint?: string): Failure {
  return new Failure('usage', detail, { hint, exit: 2 })
}
