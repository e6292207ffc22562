/** Railway: its GraphQL API and its one upload route, put together from the data beside this file. Opens nothing. */
import { buildClientSchema, getIntrospectionQuery, printSchema } from 'graphql'
import { z } from 'zod'
import { BrokerError } from '../../errors.ts'
import { type Catalogue, compile } from '../graphql/catalogue.ts'
import { readGraphql } from '../graphql/read.ts'
import type { Call, Provider, Reading } from '../provider.ts'
import { describe } from './describe.ts'
import { discover } from './discover.ts'
import { kinds } from './kinds.ts'
import { locate } from './locate.ts'
import { overlay } from './overlay.ts'
import { isUpload, readUpload, uploadBytes, uploadName } from './upload.ts'

const graphqlPath = '/graphql/v2'

const inEnvironment = new Set(
  kinds.filter(({ path }) => path.includes('environment')).map(({ kind }) => kind),
)

const Introspection = z.looseObject({ __schema: z.looseObject({}) })
const SomeErrors = z.looseObject({ errors: z.array(z.unknown()).min(1) })
const Errors = z.looseObject({
  data: z.null().optional(),
  errors: z.array(z.looseObject({ message: z.string() })).min(1),
})

export const railway: Provider<Catalogue> = {
  name: 'railway',
  engine: 'graphql',
  scheme: 'https',
  secret: null,
  template: null,
  baseUrl: 'https://backboard.railway.com',
  placements: {
    bearer: { header: 'authorization', prefix: 'Bearer ' },
    'project-access-token': { header: 'project-access-token', prefix: '' },
  },
  kinds,
  compile: (sdl) => compile(sdl, overlay, inEnvironment),
  largeBody: (segments) =>
    isUpload(segments) ? { bytes: uploadBytes, operation: uploadName } : null,
  slashes: false,
  read,
  locate,
  describe,
  discover,
  clients: {
    urls: { RAILWAY_GRAPHQL_ENDPOINT: graphqlPath },
    tokens: ['RAILWAY_API_TOKEN'],
  },
  introspection: {
    path: graphqlPath,
    document: getIntrospectionQuery({ descriptions: false }),
    toSdl: (data) => printSchema(buildClientSchema(introspected(data))),
  },
  refusalForm: (segments) => (`/${segments.join('/')}` === graphqlPath ? 'graphql' : 'problem'),
  reportsFailure: (body) => SomeErrors.safeParse(body).success,
  rejectsCredential: (status, body) => status === 401 || deniesEverything(body),
}

function read(catalogue: Catalogue, call: Call): Reading {
  const path = `/${call.segments.join('/')}`
  if (path === graphqlPath) return readGraphql(catalogue, call, graphqlPath)
  if (isUpload(call.segments)) return readUpload(call)
  throw new BrokerError(
    'unknown-operation',
    `Railway has no ${call.method} ${path.slice(0, 200)} that this broker knows.`,
    {
      hint: `Its API is ${graphqlPath}; uploads go to /project/{projectId}/environment/{environmentId}/up.`,
    },
  )
}

/** Railway answers 200 with nothing but "Not Authorized" when it refuses the token. */
function deniesEverything(body: unknown): boolean {
  const parsed = Errors.safeParse(body)
  return parsed.success && parsed.data.errors.every(({ message }) => message === 'Not Authorized')
}

function introspected(data: unknown) {
  // The shape is graphql-js's own and large; buildClientSchema checks it and throws on anything else.
  return Introspection.parse(data) as unknown as Parameters<typeof buildClientSchema>[0]
}
