/**
 * A real Chromium from npm with a virtual authenticator, one for each file that asks, closed when the file ends. It sees
 * localhost and nothing else, and every complaint of a page is kept.
 */
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { arch, platform } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { inject } from 'vitest'
import { closeLater } from './closing.ts'
import { surroundings } from './surroundings.ts'

export const phone = { width: 390, height: 844 }
export const desktop = { width: 1280, height: 900 }

export type Theme = 'light' | 'dark'

export type Visitor = {
  page: Page
  context: BrowserContext
  authenticator: Authenticator
  /** What pages complained of: errors on the console, violations of their policy, requests to elsewhere. Empties it. */
  complaints(): string[]
}

export type Authenticator = {
  /** How many passkeys it holds. */
  count(): Promise<number>
  /** Whether the person in front of it proves who they are. */
  setVerified(verified: boolean): Promise<void>
  clear(): Promise<void>
}

let running: Promise<Browser> | null = null

/** Started by the first that asks in this file. */
export function browser(): Promise<Browser> {
  running ??= start()
  return running
}

async function start(): Promise<Browser> {
  const own = platform() === 'linux' && arch() === 'x64'
  const launched = await chromium.launch({
    args: ['--font-render-hinting=none', '--disable-gpu', '--no-proxy-server'],
    // The package is for one platform; elsewhere the machine's own Chrome does.
    ...(own ? await unpacked() : { channel: 'chrome' }),
  })
  closeLater(async () => {
    running = null
    await launched.close()
  })
  return launched
}

/** As text, since it runs in the page. */
const tellViolations = `document.addEventListener('securitypolicyviolation', (event) => {
  console.error('policy violated: ' + event.violatedDirective + ' ' + event.blockedURI)
})`

/** Somebody with an empty profile and a passkey of their own to make. */
export async function visitor(
  options: { viewport?: { width: number; height: number }; theme?: Theme; scripts?: boolean } = {},
): Promise<Visitor> {
  const { viewport = desktop, theme = 'light', scripts = true } = options
  const context = await (await browser()).newContext({
    viewport,
    colorScheme: theme,
    javaScriptEnabled: scripts,
    locale: 'en-GB',
    timezoneId: 'UTC',
    reducedMotion: 'reduce',
  })
  context.setDefaultTimeout(10_000)
  closeLater(() => context.close())
  const found: string[] = []
  await context.addInitScript({ content: tellViolations })
  const page = await context.newPage()
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') {
      found.push(`${message.text()} (${message.location().url})`)
    }
  })
  page.on('pageerror', (error) => found.push(String(error)))
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url())
    if (hostname !== 'localhost' && protocol !== 'data:' && protocol !== 'blob:') {
      found.push(`a request to ${request.url()}`)
    }
  })
  return {
    page,
    context,
    authenticator: await authenticatorOf(context, page),
    complaints: () => found.splice(0),
  }
}

/** Touched at once whenever it is asked. */
async function authenticatorOf(context: BrowserContext, page: Page): Promise<Authenticator> {
  const session = await context.newCDPSession(page)
  await session.send('WebAuthn.enable', {})
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  return {
    count: async () =>
      (await session.send('WebAuthn.getCredentials', { authenticatorId })).credentials.length,
    setVerified: async (isUserVerified) => {
      await session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified })
    },
    clear: async () => {
      await session.send('WebAuthn.clearCredentials', { authenticatorId })
    },
  }
}

export type Fault = { id: string; impact: string; help: string; where: string[] }

/** What axe-core finds on the page that keeps somebody out. */
export async function faultsOf(page: Page): Promise<Fault[]> {
  // Through the debugger: the page's own policy lets no script in.
  if (await page.evaluate("typeof axe === 'undefined'")) await page.evaluate(await axe())
  const found: unknown = await page.evaluate(
    "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, impact, help, nodes }) => ({ id, impact, help, where: nodes.map(({ target, failureSummary }) => target.join(' ') + ': ' + failureSummary) })))",
  )
  // As the script above makes it.
  return (found as Fault[]).filter(({ impact }) => impact === 'serious' || impact === 'critical')
}

let source: Promise<string> | null = null

function axe(): Promise<string> {
  source ??= readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  return source
}

type Unpacked = { executablePath: string; env: Record<string, string> }

/** Once in a run: the first that asks unpacks it, the others wait. */
async function unpacked(): Promise<Unpacked> {
  const folder = inject('chromium')
  const ready = join(folder, 'ready.json')
  if (await made(folder)) await writeFile(ready, JSON.stringify(await unpack(folder)))
  for (let left = 600; left > 0; left -= 1) {
    const text = await readFile(ready, 'utf8').catch(() => '')
    if (text !== '') return JSON.parse(text)
    await wait(100)
  }
  throw new Error('nobody unpacked the browser')
}

async function made(folder: string): Promise<boolean> {
  return mkdir(folder).then(
    () => true,
    () => false,
  )
}

/** The package unpacks into the temporary folder and takes what lies there already, so it is given one of its own. */
async function unpack(folder: string): Promise<Unpacked> {
  const run = promisify(execFile)
  const package_ = pathToFileURL(createRequire(import.meta.url).resolve('@sparticuz/chromium'))
  const script = `const { default: chromium } = await import('${package_}'); console.log(await chromium.executablePath())`
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], {
    // So called, it brings the libraries that a bare Debian lacks.
    env: surroundings({ TMPDIR: folder, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' }),
  })
  const executablePath = stdout.trim()
  await writeFile(join(folder, 'fonts.conf'), fontsIn(folder))
  const env = surroundings({
    HOME: folder,
    // It leaves things there, whatever way it is closed.
    TMPDIR: folder,
    FONTCONFIG_FILE: join(folder, 'fonts.conf'),
  })
  const runs = await run(executablePath, ['--version'], { env }).then(
    () => true,
    () => false,
  )
  const libraries = { LD_LIBRARY_PATH: join(folder, 'al2023', 'lib') }
  return { executablePath, env: runs ? env : { ...env, ...libraries } }
}

/** The package's own list looks in /tmp, and without any font the browser ends at the first page. */
function fontsIn(folder: string): string {
  return `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
    <dir>${folder}/fonts</dir><dir>/usr/share/fonts</dir><cachedir>${folder}/font-cache</cachedir>
  </fontconfig>`
}
