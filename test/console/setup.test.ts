/** A first set-up in the browser: two touches from nothing to an agent whose call passes, and nothing is given by asking. */
import { expect, test } from 'vitest'
import { startSimulatedRailway } from '../../src/demo/railway/server.ts'
import { ids } from '../../src/demo/railway/world.ts'
import { blank, expectOk, field, realToken, send } from '../support/broker.ts'
import { faultsOf, phone, visitor } from '../support/browser.ts'
import { closeLater } from '../support/closing.ts'

test('from nothing to an agent whose read passes and whose delete does not, in two touches', async () => {
  const railway = await startSimulatedRailway({ token: realToken() })
  closeLater(() => railway.close())
  const broker = await blank()
  const base = broker.ctx.consoleUrl
  const { page, complaints } = await visitor({ viewport: phone })
  const text = () => page.locator('main').innerText()
  const looksWell = async () => expect(await faultsOf(page)).toEqual([])
  await page.goto(`${base}/console/enrol`)
  await page.fill('[name=name]', 'ada')
  await page.fill('[name=code]', broker.enrolment?.code.reveal() ?? '')
  await page.click('text=Make the passkey')
  await page.click('text=Go on to the console')
  await page.click('text=Set up a connection')

  await looksWell()
  await page.fill('[name=secret]', railway.token)
  await page.click('summary')
  await page.fill('[name=base_url]', railway.url)
  await page.check('[name=allow_private]')
  await page.click('text=Go on')
  await page.waitForURL(/setup\?change=/)
  expect(await text()).toContain(`railway is railway at ${railway.url}, private addresses allowed`)
  expect(await page.content()).not.toContain(railway.token)
  expect(broker.ctx.realm.now().connections.size).toBe(0)
  expect(railway.executed).toEqual([])
  await looksWell()
  await page.click('text=Confirm with a passkey')

  await page.waitForURL(`${base}/console/setup`)
  const staging = page.locator('fieldset', { hasText: 'acme-rentals/staging' })
  const production = page.locator('fieldset', { hasText: 'acme-rentals/production' })
  expect(await staging.locator('[type=checkbox]').isChecked()).toBe(false)
  expect(await production.locator('[type=checkbox]').isChecked()).toBe(true)
  expect(await production.locator('select').inputValue()).toBe('nothing')
  await page.fill('[name=agent]', 'cursor')
  await looksWell()
  await page.click('text=Show what that gives')
  await page.getByText('Agent cursor may railway:@write in staging').waitFor()
  expect(await text()).not.toMatch(/Agent cursor may .* in production/)
  expect(broker.ctx.realm.now().agents.size).toBe(0)
  await looksWell()
  await page.click('text=Confirm with a passkey')
  await page.getByRole('heading', { name: 'Done' }).waitFor()
  await looksWell()
  const secret = /vks_\S+/.exec(await text())?.[0] ?? ''
  expect(complaints()).toEqual([])

  const minted = await send(`${broker.agentUrl}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`cursor:${secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'staging-agent' }),
  })
  const call = (query: string) =>
    send(`${broker.agentUrl}/x/railway/graphql/v2`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${field(expectOk(minted), 'access_token')}`,
      },
      body: JSON.stringify({ query }),
    })
  const read = await call(`{ environment(id: "${ids.environments.staging}") { name } }`)
  expect(read).toMatchObject({ status: 200, json: { data: { environment: { name: 'staging' } } } })
  const volume = railway.world.volumes[0]?.id
  const wiped = await call(`mutation { volumeDelete(volumeId: "${volume}") }`)
  expect(wiped).toMatchObject({ status: 403, json: { code: 'operation-not-allowed' } })
  expect(railway.executed.filter(({ coordinate }) => /Mutation/.test(coordinate))).toEqual([])
})
