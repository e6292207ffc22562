/** Keys that others publish: fetched when they are needed and no oftener, and not good for ever while nobody answers. */
import { jwtVerify } from 'jose'
import { expect, it } from 'vitest'
import { keysAt } from '../../src/identity/key-set.ts'
import { startIssuer } from '../support/issuer.ts'
import { broker } from '../tokens/broker.ts'

const ctx = await broker('embedded')

async function verifying() {
  const issuer = await startIssuer()
  const keys = keysAt(ctx, { url: `${issuer.url}/.well-known/jwks`, allowPrivate: true })
  const verify = async () => jwtVerify(await issuer.sign({}), keys)
  return { issuer, verify, keys }
}

it('are asked for once, and again when they are old', async () => {
  const { issuer, verify } = await verifying()
  await Promise.all([verify(), verify(), verify()])
  expect(issuer.asked).toHaveLength(1)
  ctx.pass(599)
  await verify()
  expect(issuer.asked).toHaveLength(1)
  ctx.pass(2)
  await verify()
  expect(issuer.asked).toHaveLength(2)
})

it('that are new are found after a cool-down, and those that are gone are no longer good', async () => {
  const { issuer, verify, keys } = await verifying()
  const old = await issuer.sign({})
  await verify()
  await issuer.rotate({ forget: true })
  await expect(verify()).rejects.toThrow()
  expect(issuer.asked).toHaveLength(1)
  ctx.pass(31)
  await verify()
  expect(issuer.asked).toHaveLength(2)
  await expect(jwtVerify(old, keys)).rejects.toThrow()
})

it('are good for an hour of an outage, which is asked about every half minute at most', async () => {
  const { issuer, verify } = await verifying()
  await verify()
  issuer.up(false)
  ctx.pass(3_590)
  await verify()
  const asked = issuer.asked.length
  await verify()
  expect(issuer.asked).toHaveLength(asked)
  ctx.pass(20)
  await expect(verify()).rejects.toMatchObject({ code: 'upstream-unreachable' })
  issuer.up(true)
  ctx.pass(31)
  await verify()
})

it('of a private address are not fetched where that was not allowed', async () => {
  const issuer = await startIssuer()
  const keys = keysAt(ctx, { url: `${issuer.url}/.well-known/jwks`, allowPrivate: false })
  await expect(jwtVerify(await issuer.sign({}), keys)).rejects.toMatchObject({
    code: 'upstream-unreachable',
  })
  expect(issuer.asked).toEqual([])
})
