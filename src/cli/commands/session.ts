/** `login`, `logout`, `whoami`: the operator's session. A passphrase or code comes from a prompt or from stdin only. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { askSecret, askText, onTerminal, readLines } from '../ask.ts'
import { adminAt, type Cli, defaultAdminUrl, signedIn, told } from '../cli.ts'
import { operatorPlane, type Plane, within } from '../client.ts'
import { example } from '../example.ts'
import { Failure, usage } from '../failure.ts'
import { readSession, removeSession, type Session, saveSession } from '../session.ts'
import { origin } from '../settings.ts'

type LoginOptions = { url?: string; name?: string; enrol?: true; console?: true }
type Proof = { name: string; passphrase: string; code?: string }

export function sessionCommands(program: Command, cli: Cli): void {
  const login = program
    .command('login')
    .description('sign in as an operator, or become one with a one-time code')
    .option('--url <url>', `the operator plane (VALETKEY_ADMIN_URL, ${defaultAdminUrl})`)
    .option('--name <name>', 'who signs in')
    .option('--enrol', 'become an operator: a one-time code, then a passphrase of your choice')
    .option('--console', 'show a code, to be confirmed in the console by somebody with a passkey')
    .addHelpText(
      'after',
      '\nWithout a terminal, stdin gives the passphrase; with --enrol the code on the first line and the passphrase on the second.',
    )
    .action((options: LoginOptions) => signIn(cli, options))
  example(login, 'printf \'%s\\n\' "$CODE" "$PASSPHRASE" | valetkey login --enrol --name ada')

  const logout = program
    .command('logout')
    .description('end the session here and in the broker')
    .action(() => signOut(cli))
  example(logout, 'valetkey logout')

  const whoami = program
    .command('whoami')
    .description('who is signed in, and until when')
    .action(async () => {
      const { admin, plane } = await signedIn(cli)
      const me = await told(admin.session.$get())
      cli.speak.result({ ...me, admin_url: plane.url }, (page) =>
        page.facts({
          operator: me.operator,
          role: me.role,
          broker: plane.url,
          expires: page.when(me.expires_at),
        }),
      )
    })
  example(whoami, 'valetkey whoami')
}

async function signIn(cli: Cli, options: LoginOptions): Promise<void> {
  const url = await address(cli, options)
  if (url.startsWith('http:') && !loopback(new URL(url).hostname)) {
    cli.speak.warn(
      `${url} is not encrypted: whoever is on the way can read your passphrase and session.`,
    )
  }
  const plane = operatorPlane(url)
  const { token, ...session } = await signedInBy(cli, plane, options)
  const { public_url: agentUrl } = await told((await adminAt(plane, token)).status.$get())
  await saveSession(cli.settings.directory, {
    adminUrl: url,
    url: agentUrl,
    operator: session.operator,
    role: session.role,
    expiresAt: session.expires_at,
    token,
  })
  cli.speak.done(
    { ...session, admin_url: url, url: agentUrl },
    `Signed in to ${url} as ${session.operator} (${session.role}).`,
  )
}

type SignedIn = { token: string; operator: string; role: string; expires_at: string }

async function signedInBy(cli: Cli, plane: Plane, options: LoginOptions): Promise<SignedIn> {
  const admin = await adminAt(plane)
  const proof = options.console
    ? null
    : onTerminal(cli)
      ? await asked(cli, options)
      : await piped(cli, options)
  if (proof !== null) return told(admin.session.$post({ json: proof }))
  const { id, user_code, url, expires_at, interval } = await told(admin['sign-ins'].$post())
  cli.speak.words(`Open ${url}`)
  cli.speak.words(`and confirm the code ${user_code} there, until ${expires_at}.`)
  for (;;) {
    await delay(interval * 1_000)
    const answer = await told(admin['sign-ins'].poll.$post({ json: { id } }))
    if (answer.state === 'confirmed') return answer
  }
}

async function address(cli: Cli, options: LoginOptions): Promise<string> {
  const { settings } = cli
  if (options.url !== undefined) return origin(options.url, '--url')
  if (settings.adminUrl !== undefined) return origin(settings.adminUrl, 'VALETKEY_ADMIN_URL')
  if (!onTerminal(cli)) return defaultAdminUrl
  return origin(await askText(cli, 'Address of the operator plane', defaultAdminUrl), 'The address')
}

function loopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.')
}

/** Null to go by the console. */
async function asked(cli: Cli, options: LoginOptions): Promise<Proof | null> {
  const code = await askSecret(
    cli,
    options.enrol ? 'One-time code' : 'One-time code (just press Enter if you have none)',
  )
  if (options.enrol && code === '') throw usage('No one-time code was given.')
  const name = options.name ?? (await askText(cli, 'Your name'))
  if (code === '') {
    const passphrase = await askSecret(cli, 'Passphrase (just press Enter if you have a passkey)')
    return passphrase === '' ? null : { name, passphrase }
  }
  const passphrase = await askSecret(cli, 'Choose a passphrase')
  if ((await askSecret(cli, 'The same passphrase again')) !== passphrase) {
    throw new Failure('passphrases-differ', 'The two passphrases differ, so nothing was done.')
  }
  return { code, name, passphrase }
}

async function piped(cli: Cli, options: LoginOptions): Promise<Proof> {
  if (options.name === undefined) {
    throw usage('Without a terminal, login needs --name NAME.', 'See: valetkey login --help')
  }
  const lines = await readLines(cli)
  const [code, passphrase] = options.enrol ? lines : [undefined, lines[0]]
  if (!passphrase || code === '') {
    throw usage(
      options.enrol
        ? 'stdin must hold the one-time code on its first line and a passphrase on its second.'
        : 'stdin must hold the passphrase.',
    )
  }
  return { name: options.name, passphrase, ...(code === undefined ? {} : { code }) }
}

async function signOut(cli: Cli): Promise<void> {
  const session = await readSession(cli.settings.directory)
  if (session === null) {
    cli.speak.done({ signed_out: false }, 'Nobody was signed in.')
    return
  }
  await removeSession(cli.settings.directory)
  const ended = await endedAtBroker(session)
  if (!ended) {
    cli.speak.warn(
      `The broker at ${session.adminUrl} did not confirm it: the session ends there by itself when it expires.`,
    )
  }
  cli.speak.done({ signed_out: true, ended_at_broker: ended }, `Signed out ${session.operator}.`)
}

/** The file is gone either way: a session that the broker cannot be asked about must not stay behind because of it. */
async function endedAtBroker(session: Session): Promise<boolean> {
  try {
    const admin = await adminAt(operatorPlane(session.adminUrl), session.token)
    await admin.session.$delete({}, { init: within(5_000) })
    return true
  } catch (error) {
    if (error instanceof Failure) return error.code === 'not-signed-in'
    throw error
  }
}
