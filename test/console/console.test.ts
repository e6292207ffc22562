/** The console as an operator uses it, in a real browser with a passkey: what it shows, what it does, and that nobody is kept out. */

import type { Locator } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { type Answer, expectOk, type Front, field, front, send } from '../support/broker.ts'
import { desktop, faultsOf, phone, visitor } from '../support/browser.ts'
import { changeIn } from '../support/passkey.ts'

const read = 'query($id: String!) { environment(id: $id) { name } }'
const staging = { id: ids.environments.staging }
const remove = 'mutation($v: String!) { volumeDelete(volumeId: $v) }'

/** A capability that may ask for a volume's end, for what its agent says in its own words. */
async function mayRemove(at: Front): Promise<string> {
  expectOk(
    await at.admin('PUT', '/admin/scopes/risky', {
      environment: 'staging',
      allow: ['railway:Mutation.volumeDelete'],
      approve: ['railway:@destructive'],
    }),
  )
  const added = await at.admin('POST', '/admin/agents', { name: 'tidy', scopes: ['risky'] })
  const minted = await at.agent('/oauth/token', {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`tidy:${field(expectOk(added), 'secret')}`)}` },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      scope: 'risky',
      reason: 'tidying \u202eup',
    }),
  })
  return field(expectOk(minted), 'access_token')
}

/** A volume that lives in staging and nowhere else. */
function volumeOf({ railway: { world } }: Front): string {
  const elsewhere = new Set(
    world.volumeInstances
      .filter(({ environmentId }) => environmentId !== staging.id)
      .map(({ volumeId }) => volumeId),
  )
  const found = world.volumes.find(({ id }) => !elsewhere.has(id))
  if (found === undefined) throw new Error('staging has no volume of its own')
  return found.id
}

function approvalIn(answer: Answer): string {
  expect(answer.json).toMatchObject({ code: 'approval-required' })
  // The problem document's own shape.
  return (answer.json['approval'] as { id: string }).id
}

/** What the scope risky allows, and reads. */
const more = {
  environment: 'staging',
  allow: ['railway:Mutation.volumeDelete', 'railway:Query.environment'],
  approve: ['railway:@destructive'],
}

/** Longer than a click. */
async function hold(button: Locator): Promise<void> {
  await button.click({ delay: 1_300 })
}

describe('an operator', async () => {
  const at = await front()
  const base = at.broker.ctx.consoleUrl
  const code = at.broker.enrolment?.code.reveal() ?? ''
  const me = await visitor()
  const { page } = me
  const text = (selector: string) => page.locator(selector).innerText()
  const token = await at.capability()
  const risky = await mayRemove(at)
  const volume = volumeOf(at)

  it('is sent to the door, whatever page they ask for, and a session of the CLI opens nothing', async () => {
    await page.goto(`${base}/console/audit?agent=cursor`)
    expect(page.url()).toBe(`${base}/console/sign-in?next=%2Fconsole%2Faudit%3Fagent%3Dcursor`)
    expect(await text('body')).not.toContain('cursor')
    const answer = await at.admin('GET', '/console/agents')
    expect(answer.text).not.toContain('cursor')
    expect(me.complaints()).toEqual([])
  })

  it('enrols a passkey with the code of the start; recovery codes are shown once, and set-up mode ends', async () => {
    await page.goto(`${base}/console/enrol`)
    await page.fill('[name=name]', 'ada')
    await page.fill('[name=code]', code.toLowerCase())
    await page.fill('[name=label]', 'This laptop')
    await page.click('text=Make the passkey')
    await page.waitForSelector('[data-codes]:not([hidden])')
    expect(await page.locator('.codes li').count()).toBe(10)
    const codes = await page.locator('.codes li').allInnerTexts()
    expect(await me.authenticator.count()).toBe(1)
    expect(at.broker.ctx.realm.now().guarded).toBe(true)
    await page.click('text=Go on to the console')
    await page.waitForURL(`${base}/console`)
    expect(await text('.who')).toContain('ada')
    expect(await text('body')).not.toContain('Set-up mode')
    await page.goto(`${base}/console/operators`)
    expect(await text('main')).toContain('This laptop')
    for (const one of codes) expect(await page.content()).not.toContain(one)
    expect(me.complaints()).toEqual([])
  })

  it('signs out, and is not let in by an authenticator that does not know who is there', async () => {
    await page.click('text=Sign out')
    await page.waitForURL(`${base}/console/sign-in`)
    await me.authenticator.setVerified(false)
    await page.click('text=Use a passkey')
    await page.locator('.said', { hasText: 'Nothing was done' }).waitFor()
    await page.goto(`${base}/console/agents`)
    expect(page.url()).toContain('/console/sign-in')
    await me.authenticator.setVerified(true)
    expect(me.complaints()).toEqual([])
  })

  it('signs in with the passkey and the keyboard alone, to the page that was asked for', async () => {
    await page.goto(`${base}/console/freezes`)
    for (let presses = 0; presses < 10; presses += 1) {
      await page.keyboard.press('Tab')
      if ((await text(':focus')) === 'Use a passkey') break
    }
    await page.keyboard.press('Enter')
    await page.waitForURL(`${base}/console/freezes`)
    expect(await text('.who')).toContain('ada')
    expect(me.complaints()).toEqual([])
  })

  it('sees what an agent does as it happens, without asking again', async () => {
    await page.goto(`${base}/console`)
    const rows = page.locator('#feed tbody tr')
    await rows.first().waitFor()
    expect(await text('#feed')).not.toContain('Query.environment')
    await at.call(token, read, { id: ids.environments.production })
    const refused = rows.filter({ hasText: 'Query.environment' })
    await refused.first().waitFor()
    expect(await refused.first().innerText()).toMatch(/cursor\s+staging\s+outside-environment/)
    await refused.first().locator('a').click()
    await page.waitForURL(/\/console\/audit\/req_/)
    expect(await text('main')).toContain('outside-environment')
    expect(me.complaints()).toEqual([])
  })

  it('signs a command line in that shows the same code', async () => {
    const asked = expectOk(
      await send(`${at.broker.operatorUrl}/admin/sign-ins`, { method: 'POST' }),
    )
    await page.goto(`${base}/console/cli?code=${field(asked, 'user_code')}`)
    expect(await text('.shortcode')).toBe(field(asked, 'user_code'))
    await page.click('text=Sign it in')
    await page.locator('h1', { hasText: 'Signed in' }).waitFor()
    const session = await send(`${at.broker.operatorUrl}/admin/sign-ins/poll`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ id: field(asked, 'id') }),
    })
    expect(session.json).toMatchObject({ operator: 'ada' })
    expect(me.complaints()).toEqual([])
  })

  it('approves nothing with a key that does not know who is there', async () => {
    const id = approvalIn(await at.call(risky, remove, { v: volume }))
    await page.goto(`${base}/console/approvals/${id}`)
    await me.authenticator.setVerified(false)
    await hold(page.locator('button[data-hold]'))
    await page.locator('.said', { hasText: 'Nothing was done' }).waitFor()
    await me.authenticator.setVerified(true)
    expect(await text('#state')).toBe('pending')
    expect(me.complaints()).toEqual([])
  })

  it('denies it, and the agent is told why', async () => {
    const id = approvalIn(await at.call(risky, remove, { v: volume }))
    await page.goto(`${base}/console/approvals/${id}`)
    await page.fill('[name=reason]', 'it is still in use')
    await page.click('button:text-is("Deny")')
    await page.waitForURL(`${base}/console/approvals`)
    const answer = await at.call(risky, remove, { v: volume }, { 'valetkey-approval': id })
    expect(answer.json).toMatchObject({
      code: 'approval-denied',
      detail: expect.stringContaining('it is still in use'),
    })
    expect(at.carriedOut()).toEqual([])
    expect(me.complaints()).toEqual([])
  })

  it('watches a request arrive, approves it with the passkey, and the agent’s retry passes', async () => {
    await page.goto(`${base}/console/approvals`)
    await page.locator('#pending', { hasText: 'Nothing waits' }).waitFor()
    const id = approvalIn(await at.call(risky, remove, { v: volume }))
    const look = page.locator('#pending a', { hasText: 'Look' })
    await look.waitFor()
    await look.click()
    await page.waitForURL(`${base}/console/approvals/${id}`)
    const shown = await text('main')
    expect(await text('.where')).toMatch(/^staging$/i)
    expect(shown).toContain('Mutation.volumeDelete')
    expect(shown).toContain(volume)
    expect(shown).toContain('tidying ⟨U+202E⟩up')
    expect(shown).toMatch(/own words, which nobody checked/)

    const button = page.locator('button[data-hold]')
    await button.click()
    await page.reload()
    expect(await text('#state')).toBe('pending')
    await hold(button)
    await page.locator('#state', { hasText: 'approved' }).waitFor()
    expect(at.carriedOut()).toEqual([])
    const again = await at.call(risky, remove, { v: volume }, { 'valetkey-approval': id })
    expect(again.json).toEqual({ data: { volumeDelete: true } })
    expect(at.carriedOut()).toEqual(['Mutation.volumeDelete'])
    await page.locator('#state', { hasText: 'used' }).waitFor()
    expect(me.complaints()).toEqual([])
  })

  it('confirms a change from what it would give, and until then nothing is given', async () => {
    const allowed = () => at.broker.ctx.realm.now().scopes.get('risky')?.allow.length
    await page.goto(`${base}/console`)
    await page.locator('#waiting', { hasText: 'Nothing waits' }).waitFor()
    const id = changeIn(await at.admin('PUT', '/admin/scopes/risky', more))
    await page.locator('#waiting', { hasText: 'A change of policy waits' }).waitFor()
    expect(allowed()).toBe(1)
    changeIn(await at.admin('PUT', '/admin/agents/tidy/grants/work'))
    await page.goto(`${base}/console/changes`)
    expect(await page.locator('.diff .added').allInnerTexts()).toEqual([
      'Agent tidy may railway:Query.environment in staging (scope risky)',
      'Agent tidy may railway:@read in staging (scope work)',
      'Agent tidy may railway:@write in staging (scope work)',
    ])

    await page.goto(`${base}/console/changes/${id}`)
    await me.authenticator.setVerified(false)
    await page.click('text=Confirm with a passkey')
    await page.locator('.said', { hasText: 'Nothing was done' }).waitFor()
    expect(allowed()).toBe(1)
    await me.authenticator.setVerified(true)
    await page.goto(`${base}/console/changes`)
    await page.click('text=Confirm those ticked')
    await page.locator('.said', { hasText: 'Tick the changes that you mean' }).waitFor()
    expect(allowed()).toBe(1)
    for (const box of await page.locator('input[name=change]').all()) await box.check()
    await page.click('text=Confirm those ticked')
    await page.locator('main', { hasText: 'Nothing waits to be confirmed' }).waitFor()
    expect(allowed()).toBe(2)
    expect(at.broker.ctx.realm.now().agents.get('tidy')?.scopes).toContain('work')
    expect(me.complaints()).toEqual([])
  })

  it('rejects a change, and it never happens', async () => {
    const id = changeIn(await at.admin('DELETE', '/admin/environments/production'))
    await page.goto(`${base}/console/changes/${id}`)
    await page.click('button:text-is("Reject")')
    await page.waitForURL(`${base}/console/changes`)
    expect(await text('main')).toContain('Nothing waits to be confirmed')
    expect(at.broker.ctx.realm.now().environments.has('production')).toBe(true)
    expect(me.complaints()).toEqual([])
  })

  it('stops everything with one button, and lets it go on with a touch', async () => {
    await page.goto(`${base}/console/freezes`)
    await page.click('text=Freeze everything')
    await page.locator('text=Everything is frozen').first().waitFor()
    const call = () => at.call(token, read, staging)
    expect((await call()).json).toMatchObject({
      code: 'frozen',
      detail: expect.stringContaining('by ada'),
    })
    await page.goto(`${base}/console/scopes`)
    expect(await text('.banner')).toContain('Everything is frozen')

    await page.goto(`${base}/console/freezes`)
    await page.click('button:text-is("Lift")')
    await page.waitForURL(/\/console\/changes\/chg_/)
    expect((await call()).json).toMatchObject({ code: 'frozen' })
    await page.click('text=Confirm with a passkey')
    await page.locator('.tag', { hasText: 'confirmed' }).waitFor()
    expect((await call()).status).toBe(200)
    await page.goto(`${base}/console/freezes`)
    expect(await text('main')).toContain('Nothing is frozen')
    expect(me.complaints()).toEqual([])
  })
})

const pages = [
  '',
  '/approvals',
  '/changes',
  '/agents',
  '/environments',
  '/scopes',
  '/connections',
  '/audit',
  '/operators',
  '/freezes',
  '/setup',
  '/setup?connection=',
  '/cli',
]
const doors = ['/sign-in', '/enrol', '/recover']

describe('every page', async () => {
  const at = await front()
  const base = at.broker.ctx.consoleUrl
  const token = await at.capability()
  for (const id of Object.values(ids.environments)) await at.call(token, read, { id })
  await at.admin('POST', '/admin/freezes', { subject: 'scope:work', reason: 'it is looked at' })
  const risky = await mayRemove(at)
  const me = await visitor()
  await me.page.goto(`${base}/console/enrol`)
  await me.page.fill('[name=name]', 'ada')
  await me.page.fill('[name=code]', at.broker.enrolment?.code.reveal() ?? '')
  await me.page.click('text=Make the passkey')
  await me.page.waitForSelector('[data-codes]:not([hidden])')
  const cookies = await me.context.cookies()
  const change = changeIn(await at.admin('PUT', '/admin/scopes/risky', more))
  const waits = approvalIn(await at.call(risky, remove, { v: volumeOf(at) }))
  const [road] = (await at.audit('&agent=cursor')).map(({ request }) => String(request))

  it('fits a desk and a phone, by day and by night, and keeps nobody out', async () => {
    const { page, context, complaints } = await visitor()
    const wrong: unknown[] = []
    const grounds = { light: new Set<unknown>(), dark: new Set<unknown>() }
    const look = async (path: string) => {
      const response = await page.goto(`${base}/console${path}`)
      if (response?.status() !== 200) wrong.push({ path, status: response?.status() })
      for (const viewport of [desktop, phone]) {
        await page.setViewportSize(viewport)
        for (const theme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme: theme })
          grounds[theme].add(await page.evaluate('getComputedStyle(document.body).backgroundColor'))
          const wide = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
          const found = { wide, complaints: complaints(), faults: await faultsOf(page) }
          const good = JSON.stringify(found) === '{"wide":0,"complaints":[],"faults":[]}'
          if (!good) wrong.push({ path, ...viewport, theme, ...found })
        }
      }
    }
    for (const path of doors) await look(path)
    await context.addCookies(cookies)
    const waiting = [`/audit/${road}`, `/approvals/${waits}`, `/changes/${change}`]
    for (const path of [...pages, ...waiting]) await look(path)
    expect(wrong).toEqual([])
    expect([grounds.light.size, grounds.dark.size]).toEqual([1, 1])
    expect(grounds.light).not.toEqual(grounds.dark)
  })

  it('that does not exist says so in the console’s own words, and leads back', async () => {
    for (const path of ['/nothing', '/approvals/apr_none', '/audit/req_none']) {
      const response = await me.page.goto(`${base}/console${path}`)
      expect([path, response?.status()]).toEqual([path, 404])
      expect(await me.page.title()).toMatch(/· Valetkey$/)
      expect(await faultsOf(me.page)).toEqual([])
    }
    await me.page.click('text=Back to the overview')
    await me.page.waitForURL(`${base}/console`)
    // The browser's own words for each 404.
    expect(me.complaints()).toHaveLength(3)
  })

  it('says the same with scripts off, and its forms work', async () => {
    const { page, context } = await visitor({ scripts: false })
    await context.addCookies(cookies)
    for (const path of pages) {
      const response = await page.goto(`${base}/console${path}`)
      expect([path, response?.status()]).toEqual([path, 200])
      expect((await page.locator('main').innerText()).length).toBeGreaterThan(20)
    }
    await page.goto(`${base}/console/freezes`)
    await page.selectOption('select[name=subject]', 'agent:cursor')
    await page.fill('[name=reason]', 'no script was needed')
    await page.click('button:text-is("Freeze")')
    expect(await page.locator('main').innerText()).toContain('no script was needed')
    expect((await at.call(token, read, staging)).json).toMatchObject({ code: 'frozen' })
  })

  it('loads nothing from elsewhere, may be framed by nobody, and runs no script but its own', async () => {
    const response = await me.page.goto(`${base}/console`)
    const policy = response?.headers()['content-security-policy'] ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/unsafe|\*|https?:/)
    const inline = await me.page.evaluate(
      "[...document.querySelectorAll('*')].flatMap((one) => one.getAttributeNames().filter((name) => name === 'style' || name.startsWith('on')).map((name) => one.tagName + ' ' + name))",
    )
    expect(inline).toEqual([])
    expect(me.complaints()).toEqual([])
  })
})
