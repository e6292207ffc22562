/** Which addresses may be dialled, however they are dressed. */
import { describe, expect, it } from 'vitest'
import { addressAllowed, checkedLookup } from '../../src/vault/addresses.ts'

const closed = { allowPrivate: false, encrypted: true }
const open = { allowPrivate: true, encrypted: true }

describe('an address', () => {
  it.each([
    ['public IPv4', '8.8.8.8'],
    ['public IPv4 dressed as IPv6', '::ffff:8.8.8.8'],
    ['public IPv6', '2606:4700::1111'],
  ])('that is %s may be dialled always: %s', (_, address) => {
    expect(addressAllowed(address, closed)).toBe(true)
    expect(addressAllowed(address, open)).toBe(true)
  })

  it('that is public is not dialled where nothing is encrypted, and a private one is', () => {
    for (const allowPrivate of [false, true]) {
      expect(addressAllowed('8.8.8.8', { allowPrivate, encrypted: false })).toBe(false)
    }
    expect(addressAllowed('10.1.2.3', { allowPrivate: true, encrypted: false })).toBe(true)
  })

  it.each([
    ['loopback', '127.0.0.1'],
    ['loopback too', '127.255.255.254'],
    ['loopback of IPv6', '::1'],
    ['loopback dressed as IPv6', '::ffff:127.0.0.1'],
    ['loopback dressed in hex', '::ffff:7f00:1'],
    ['unspecified', '0.0.0.0'],
    ['unspecified IPv6', '::'],
    ['private', '10.1.2.3'],
    ['private', '172.31.0.1'],
    ['private', '192.168.0.1'],
    ['shared by carriers', '100.64.0.1'],
    ['link-local', '169.254.1.1'],
    ['link-local IPv6', 'fe80::1'],
    ['unique local', 'fd12:3456::1'],
    ['multicast', '224.0.0.1'],
    ['multicast IPv6', 'ff02::1'],
    ['broadcast', '255.255.255.255'],
    ['for documentation', '192.0.2.1'],
    ['NAT64 to a private address', '64:ff9b::a00:1'],
    ['6to4 of a private address', '2002:a00:1::'],
    ['public, but IPv4-compatible', '::808:808'],
    ['NAT64 to a public address', '64:ff9b::808:808'],
    ['Teredo', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
  ])('that is %s may be dialled only when private addresses are allowed: %s', (_, address) => {
    expect(addressAllowed(address, closed)).toBe(false)
    expect(addressAllowed(address, open)).toBe(true)
  })

  it.each([
    ['AWS, GCP, Azure and others', '169.254.169.254'],
    ['AWS ECS', '169.254.170.2'],
    ['AWS EKS', '169.254.170.23'],
    ['Alibaba', '100.100.100.200'],
    ['Azure', '168.63.129.16'],
    ['AWS over IPv6', 'fd00:ec2::254'],
    ['AWS over IPv6, written out', 'fd00:0ec2:0000:0000:0000:0000:0000:0254'],
    ['AWS dressed as IPv6', '::ffff:169.254.169.254'],
    ['AWS dressed in hex', '::ffff:a9fe:a9fe'],
    ['AWS through NAT64', '64:ff9b::a9fe:a9fe'],
    ['AWS through NAT64, written with dots', '64:ff9b::169.254.169.254'],
    ['AWS through a local NAT64', '64:ff9b:1::a9fe:a9fe'],
    ['AWS through 6to4', '2002:a9fe:a9fe::1'],
    ['AWS as IPv4-compatible', '::a9fe:a9fe'],
    ['AWS as IPv4-translated', '::ffff:0:a9fe:a9fe'],
    ['Alibaba through NAT64', '64:ff9b::6464:64c8'],
  ])('of a metadata service is never dialled: %s, %s', (_, address) => {
    expect(addressAllowed(address, closed)).toBe(false)
    expect(addressAllowed(address, open)).toBe(false)
  })

  it.each([
    '',
    'localhost',
    '2852039166',
    '0x7f.1',
    '127.1',
    '8.8.8.8 ',
    '[::1]',
    '8.8.8.8:80',
    '1.2.3',
  ])('that is none is not dialled: %j', (address) => {
    expect(addressAllowed(address, closed)).toBe(false)
    expect(addressAllowed(address, open)).toBe(false)
  })
})

type Looked = { error: unknown; addresses: unknown }

function look(name: string, allowPrivate: boolean, all: boolean): Promise<Looked> {
  return new Promise((resolve) => {
    checkedLookup({ allowPrivate, encrypted: true })(name, { all }, (error, addresses) =>
      resolve({ error, addresses }),
    )
  })
}

describe('a look-up for a socket', () => {
  it('fails where the name leads to what may not be dialled', async () => {
    for (const name of ['localhost', '127.0.0.1', '169.254.169.254']) {
      for (const all of [true, false]) {
        expect((await look(name, false, all)).error).toMatchObject({ code: 'upstream-unreachable' })
      }
    }
    expect((await look('169.254.169.254', true, true)).error).toMatchObject({
      code: 'upstream-unreachable',
    })
  })

  it('gives the very addresses that were checked', async () => {
    expect(await look('127.0.0.1', true, false)).toEqual({ error: null, addresses: '127.0.0.1' })
    expect(await look('127.0.0.1', true, true)).toEqual({
      error: null,
      addresses: [{ address: '127.0.0.1', family: 4 }],
    })
  })

  it('hands on why a name cannot be resolved', async () => {
    expect((await look('does-not-exist.invalid', true, true)).error).toMatchObject({
      syscall: 'getaddrinfo',
    })
  })
})
