import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { reachOfAddress, readBaseUrl, readServerUrl } from '../../src/vault/origin.ts'

test.each([
  ['https://api.example.com', 'https://api.example.com'],
  ['https://API.Example.com:443/', 'https://api.example.com'],
  ['https://api.example.com:8443/v1/', 'https://api.example.com:8443/v1'],
  ['https://8.8.8.8', 'https://8.8.8.8'],
  ['https://[2606:4700::1111]', 'https://[2606:4700::1111]'],
])('%s is the base URL %s', (given, read) => {
  expect(readBaseUrl(given, false)).toBe(read)
})

test.each([
  ['http://localhost:3000', 'http://localhost:3000'],
  ['http://127.0.0.1:3000/base', 'http://127.0.0.1:3000/base'],
  ['http://[::1]', 'http://[::1]'],
  ['http://upstream:8080', 'http://upstream:8080'],
  ['https://10.1.2.3', 'https://10.1.2.3'],
])('%s is a base URL only where private addresses are allowed', (given, read) => {
  expect(() => readBaseUrl(given, false)).toThrow(
    expect.objectContaining({ code: 'malformed-request' }),
  )
  expect(readBaseUrl(given, true)).toBe(read)
})

test.each([
  'http://8.8.8.8',
  'http://169.254.169.254/latest',
  'https://169.254.169.254',
  'https://2852039166',
  'https://0xA9FEA9FE',
  'https://[::ffff:a9fe:a9fe]',
  'https://[fd00:ec2::254]',
  'https://metadata.google.internal.',
  'https://user:password@api.example.com',
  'https://api.example.com?x',
  'https://api.example.com#x',
  'ftp://api.example.com',
  'javascript:alert(1)',
  'api.example.com',
  '',
])('%j is no base URL, whatever is allowed', (given) => {
  for (const allowPrivate of [false, true]) {
    expect(() => readBaseUrl(given, allowPrivate)).toThrow(
      expect.objectContaining({ code: 'malformed-request' }),
    )
  }
})

test.each([
  ['127.0.0.1', 'private'],
  ['0.0.0.0', 'private'],
  ['10.0.0.1', 'private'],
  ['172.16.0.1', 'private'],
  ['192.168.1.1', 'private'],
  ['100.64.0.1', 'private'],
  ['169.254.1.1', 'private'],
  ['224.0.0.1', 'private'],
  ['::1', 'private'],
  ['fe80::1', 'private'],
  ['fc00::1', 'private'],
  ['::ffff:10.0.0.1', 'private'],
  ['64:ff9b::10.0.0.1', 'private'],
  ['2002:a00:1::', 'private'],
  ['169.254.169.254', 'metadata'],
  ['::ffff:169.254.169.254', 'metadata'],
  ['100.100.100.200', 'metadata'],
  ['1.1.1.1', 'public'],
  ['2606:4700::1111', 'public'],
])('%s is %s', (address, reach) => {
  expect(reachOfAddress(address)).toBe(reach)
})

test('what is read once reads the same again', () => {
  fc.assert(
    fc.property(fc.webUrl({ validSchemes: ['https'], withFragments: false }), (given) => {
      const read = readBaseUrl(given, false)
      expect(readBaseUrl(read, false)).toBe(read)
    }),
  )
})

describe('the address of a PostgreSQL server', () => {
  it.each([
    ['postgresql://a@db.example,127.0.0.1/app', /no single server/],
    ['postgresql://a@db.example%2C127.0.0.1/app', /no single server/],
    ['postgresql://a@10.0.0.1/app', /private address/],
    ['postgresql://a@[::1]/app', /private address/],
    ['postgresql://a@169.254.169.254/app', /private address/],
    ['postgresql://a:secret@db.example/app', /holds a password/],
    ['postgresql://db.example/app', /no role/],
    ['postgresql://a@db.example/', /no database/],
    ['postgresql://a@db.example/app?sslmode=prefer', /more than this broker keeps to/],
    ['postgresql://a@db.example/app?host=127.0.0.1', /more than this broker keeps to/],
    ['postgresql://a@db.example/app?sslmode=disable', /in the clear/],
    ['https://db.example/app', /no address of a PostgreSQL server/],
  ])('%s is refused', (text, why) => {
    expect(() => readServerUrl(text, false)).toThrow(why)
  })

  it('is kept in one spelling, encrypted unless it is private', () => {
    expect(readServerUrl('postgres://a@DB.example:5433/app', false)).toBe(
      'postgresql://a@DB.example:5433/app',
    )
    expect(readServerUrl('postgresql://a@[::1]/app?sslmode=disable', true)).toBe(
      'postgresql://a@[::1]/app?sslmode=disable',
    )
  })
})
