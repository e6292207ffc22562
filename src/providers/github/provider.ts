/**
 * GitHub's REST API: the REST engine with every documented operation, and repositories, branches and deployment environments by
 * number. Opens nothing, keeps nothing.
 */
import { BrokerError } from '../../errors.ts'
import { githubApp } from '../github-app/provider.ts'
import type { Call, Offered, Provider, Reading } from '../provider.ts'
import { compileRest, type RestCatalogue } from '../rest/catalogue.ts'
import type { Described } from '../rest/description.ts'
import { offered } from '../rest/provider.ts'
import { readRest } from '../rest/read.ts'
import { effects, harmless } from './effects.ts'
import { describe, discover, find, kinds, locate } from './locate.ts'
import { naming } from './names.ts'
import known from './operations.json' with { type: 'json' }

let compiled: RestCatalogue | null = null

/** At its first use: most brokers never see a call to GitHub. */
export function catalogue(): RestCatalogue {
  compiled ??= compileRest(
    { base_url: null, placement: 'bearer', operations: known.map(operationOf) },
    { operations: Object.fromEntries([...harmless].map((name) => [name, { harmless: true }])) },
    // Its parameters are known by their names.
    (templates) => [...templates],
  )
  return compiled
}

function operationOf([name = '', route = '', guessed = '', query = '', fields = '']: string[]) {
  const [method, template = ''] = route.split(' ')
  return {
    ...{ name, template, guessed: null },
    method: method as Described['method'],
    effects: [...(effects[name] ?? (guessed.split(' ') as Described['effects']))],
    query: words(query),
    fields: words(fields),
  }
}

function words(list: string): string[] {
  return list === '' ? [] : list.split(' ')
}

/** Whether a connection's secret is an App's, and no token itself. */
export function secretIsApp(text: string): boolean {
  return text.startsWith('{')
}

export const github: Provider<null> = {
  name: 'github',
  engine: 'rest',
  scheme: 'https',
  secret: (text) => {
    if (secretIsApp(text)) return githubApp.secret?.(text) ?? null
    return /^[\x21-\x7e]{8,4096}$/.test(text)
      ? null
      : 'It is a token of 8 to 4096 printable characters without spaces, or, better, a GitHub App as JSON: {"app_id":"…","installation_id":"…","private_key":"-----BEGIN RSA PRIVATE KEY-----\\n…"}'
  },
  template: null,
  baseUrl: 'https://api.github.com',
  placements: {
    bearer: { header: 'authorization', prefix: 'Bearer ' },
    token: { header: 'authorization', prefix: 'token ' },
  },
  kinds,
  slashes: true,
  compile: () => null,
  largeBody: () => null,
  read: (_, call) => read(call),
  locate: (resource, _pinned, lookup) => locate(resource, lookup),
  describe: (resource, _home, lookup) => describe(resource, lookup),
  operations: (): Offered[] => catalogue().operations.map(offered),
  discover,
  find,
  clients: { urls: { GITHUB_API_URL: '' }, tokens: ['GITHUB_TOKEN'] },
  introspection: null,
  // The one clones a private repository for as long as it lives, the other has a token in its query.
  conceals: ['temp_clone_token', 'download_url'],
  refusalForm: () => 'json',
  rejectsCredential: (status) => status === 401,
  reportsFailure: () => false,
}

function read(call: Call): Reading {
  if (call.segments.length === 1 && call.segments[0] === 'graphql') {
    throw new BrokerError('unknown-operation', 'GitHub’s GraphQL API is not relayed.', {
      hint: 'Use its REST API, which this connection has whole: GET /v1/capability says what you may.',
    })
  }
  if (call.contentType !== null && /urlencoded/i.test(call.contentType)) {
    throw new BrokerError('malformed-request', 'GitHub’s API takes JSON, and no forms.', {
      hint: 'Send the body as application/json.',
    })
  }
  return readRest(catalogue(), call, naming)
}
