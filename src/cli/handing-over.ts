/** How a capability is handed to whoever asked for it: in a form that a shell, a file or a CI system takes, and hidden from its log. */
import { spawn } from 'node:child_process'
import { appendFile } from 'node:fs/promises'
import type { Cli } from './cli.ts'
import { usage } from './failure.ts'

export const formats = ['token', 'env', 'dotenv', 'json', 'netrc', 'github-output'] as const
export type Format = (typeof formats)[number]

export async function handOver(
  cli: Cli,
  { token, answer, host }: { token: string; answer: Record<string, unknown>; host: string },
  { format, name }: { format: Format; name: string },
): Promise<void> {
  await hideFromLog(cli, token)
  switch (format) {
    case 'token':
      return cli.speak.raw(token)
    case 'env':
      return cli.speak.raw(`export ${name}='${token}'`)
    case 'dotenv':
      return cli.speak.raw(`${name}=${token}`)
    case 'json':
      return cli.speak.raw(JSON.stringify(answer, null, 2))
    case 'netrc':
      return cli.speak.raw(`machine ${host} login valetkey password ${token}`)
    case 'github-output': {
      const file = cli.settings.variable('GITHUB_OUTPUT')
      if (file === undefined) {
        throw usage(
          'There is no GITHUB_OUTPUT here.',
          'It is there in a step of GitHub Actions only.',
        )
      }
      await appendFile(file, `${name}=${token}\n`)
      return cli.speak.words(`The capability is the output ${name} of this step.`)
    }
  }
}

/** To stderr: stdout may be captured, and the runner reads both. */
async function hideFromLog({ settings, terminal, speak }: Cli, token: string): Promise<void> {
  if (settings.variable('GITHUB_ACTIONS') === 'true') {
    terminal.stderr.write(`::add-mask::${token}\n`)
  }
  if (settings.variable('BUILDKITE') !== 'true') return
  const hidden = await new Promise<boolean>((resolve) => {
    const child = spawn('buildkite-agent', ['redactor', 'add'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      timeout: 10_000,
    })
    child.on('error', () => resolve(false))
    child.on('close', (code) => resolve(code === 0))
    child.stdin.on('error', () => {})
    child.stdin.end(token)
  })
  if (!hidden)
    speak.warn('buildkite-agent could not hide the capability from the log: do not print it.')
}
