/** The ID token of the CI job that this runs in, from wherever its system has it. Never kept, never shown. */
import { spawn } from 'node:child_process'
import { Failure, usage } from './failure.ts'
import type { Settings } from './settings.ts'

export const ciSources = ['github', 'gitlab', 'buildkite', 'circleci'] as const

/** Whoever has these can get the job's token too. What the tools of CircleCI and others read from elsewhere is not here. */
export const jobVariables = [
  'VALETKEY_ID_TOKEN',
  'ACTIONS_ID_TOKEN_REQUEST_TOKEN',
  'ACTIONS_ID_TOKEN_REQUEST_URL',
  'CIRCLE_OIDC_TOKEN',
  'CIRCLE_OIDC_TOKEN_V2',
]

/** The variables that `--oidc` reads from, and no more of them than it needs: tools of the system need some too. */
export function variablesOf(source: string | undefined): string[] {
  const name = envName(source ?? '')
  if (name !== undefined) return [name]
  return source === 'buildkite' ? ['BUILDKITE_AGENT_ACCESS_TOKEN'] : []
}

function envName(source: string): string | undefined {
  return /^env:([A-Za-z_][A-Za-z0-9_]*)$/.exec(source)?.[1]
}

/** `source` is a system, or `env:NAME`. The token is requested for `audience` where the system lets the job choose. */
export async function jobToken(
  source: string,
  audience: string,
  { variable }: Pick<Settings, 'variable'>,
): Promise<string> {
  const name = envName(source)
  if (name !== undefined) return fromVariable(variable, name, `Set ${name}.`)
  switch (source) {
    case 'github':
      return fromGithub(audience, variable)
    case 'gitlab':
      return fromVariable(
        variable,
        'VALETKEY_ID_TOKEN',
        `Have the job get one: id_tokens: { VALETKEY_ID_TOKEN: { aud: ${audience} } }`,
      )
    case 'buildkite': {
      const ids = 'organization_id,pipeline_id'
      const args = ['oidc', 'request-token', '--audience', audience, '--claim', ids]
      return said('buildkite-agent', args)
    }
    case 'circleci':
      return said('circleci', ['run', 'oidc', 'get', '--claims', JSON.stringify({ aud: audience })])
    default:
      throw usage(
        `--oidc ${source} is no CI system that is known here.`,
        `There are ${ciSources.join(', ')}, and env:NAME for a token in a variable.`,
      )
  }
}

type Variable = Settings['variable']

function fromVariable(variable: Variable, name: string, hint: string): string {
  const token = variable(name)
  if (token !== undefined) return token
  throw new Failure('no-job-token', `There is no ID token in ${name}.`, { hint })
}

async function fromGithub(audience: string, variable: Variable): Promise<string> {
  const url = variable('ACTIONS_ID_TOKEN_REQUEST_URL')
  const bearer = variable('ACTIONS_ID_TOKEN_REQUEST_TOKEN')
  if (url === undefined || bearer === undefined || !URL.canParse(url)) {
    throw new Failure('no-job-token', 'This job may not request an ID token.', {
      hint: 'Give the job the permission: permissions: { id-token: write }. Jobs of forks do not get it.',
    })
  }
  const asked = new URL(url)
  asked.searchParams.set('audience', audience)
  const signal = AbortSignal.timeout(30_000)
  const headers = { authorization: `Bearer ${bearer}`, accept: 'application/json' }
  try {
    const response = await fetch(asked, { headers, signal, redirect: 'error' })
    const { value } = Object(await response.json())
    if (response.ok && typeof value === 'string') return value
    throw new Error(`it answered with ${response.status}`)
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown'
    throw new Failure('no-job-token', `GitHub gave no ID token: ${why}.`, { hint: 'Try again.' })
  }
}

/** What a tool of the CI system prints. */
async function said(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: 30_000 })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const code = await new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(null))
    child.on('close', resolve)
  })
  if (code === 0 && text.trim() !== '') return text.trim()
  throw new Failure('no-job-token', `${command} gave no ID token.`, {
    hint: `It is there inside a job only. What was tried: ${command} ${args.join(' ')}`,
  })
}
