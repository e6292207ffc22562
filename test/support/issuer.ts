/** A local OpenID Connect issuer that signs tokens as the CI systems do, and counts what it is asked. Its keys can be rotated, and it can go away. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { closeLater } from './closing.ts'

type Key = { kid: string; privateKey: Parameters<SignJWT['sign']>[0]; jwk: object }

export type Issuer = {
  url: string
  /** Paths that were asked for, in order. */
  asked: string[]
  /** From now on signs with another key; the earlier ones are published too unless `forget` is set. */
  rotate(options?: { forget?: boolean }): Promise<void>
  /** Whether it answers. */
  up(answers: boolean): void
  /** What its discovery document says, over what it usually does. */
  says(over: Record<string, unknown>): void
  /** Signs whatever it is given; times in seconds from now. */
  sign(claims: JWTPayload, options?: { alg?: string; kid?: string; typ?: string }): Promise<string>
}

/** `path` is where it says that it is: `/_services/token`, `/org/ID`. */
export async function startIssuer(path = ''): Promise<Issuer> {
  let keys = [await makeKey()]
  let answers = true
  let over: Record<string, unknown> = {}
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    if (!answers) return void response.writeHead(503).end()
    const body =
      request.url === `${path}/.well-known/openid-configuration`
        ? { issuer: url, jwks_uri: `${url}/.well-known/jwks`, ...over }
        : request.url === `${path}/.well-known/jwks`
          ? { keys: keys.map(({ jwk }) => jwk) }
          : null
    response.writeHead(body === null ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const url = `http://127.0.0.1:${address.port}${path}`
  closeLater(async () => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url,
    asked,
    rotate: async ({ forget = false } = {}) => {
      keys = [await makeKey(), ...(forget ? [] : keys)]
    },
    up: (does) => {
      answers = does
    },
    says: (more) => {
      over = more
    },
    sign: async (claims, { alg = 'RS256', kid, typ = 'JWT' } = {}) => {
      const [key] = keys
      if (key === undefined) throw new Error('no key')
      return new SignJWT({ iss: url, ...claims })
        .setProtectedHeader({ alg, typ, kid: kid ?? key.kid })
        .sign(key.privateKey)
    },
  }
}

async function makeKey(): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const kid = randomUUID()
  return {
    kid,
    privateKey,
    jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'RS256' },
  }
}

export function now(): number {
  return Math.floor(Date.now() / 1000)
}

const times = (life: number) => ({ iat: now(), nbf: now() - 5, exp: now() + life })

/** As GitHub Actions signs them, with the `sub` of before July 2026 or of after. */
export function githubClaims(
  over: JWTPayload = {},
  { oldSub = false }: { oldSub?: boolean } = {},
): JWTPayload {
  return {
    ...times(300),
    jti: randomUUID(),
    aud: 'https://github.com/acme',
    sub: oldSub
      ? 'repo:acme/rentals:environment:production'
      : 'repo:acme@1001/rentals@123456:environment:production',
    ref: 'refs/heads/main',
    ref_type: 'branch',
    ref_protected: 'true',
    sha: 'f1d2d2f924e986ac86fdf7b36c94bcdf32beec15',
    repository: 'acme/rentals',
    repository_id: '123456',
    repository_owner: 'acme',
    repository_owner_id: '1001',
    repository_visibility: 'private',
    run_id: '77',
    run_number: '5',
    run_attempt: '1',
    actor: 'ada',
    actor_id: '12',
    workflow: 'deploy',
    workflow_ref: 'acme/rentals/.github/workflows/deploy.yml@refs/heads/main',
    job_workflow_ref: 'acme/rentals/.github/workflows/deploy.yml@refs/heads/main',
    event_name: 'push',
    environment: 'production',
    runner_environment: 'github-hosted',
    ...over,
  }
}

/** As GitLab does. */
export function gitlabClaims(over: JWTPayload = {}): JWTPayload {
  return {
    ...times(3_600),
    jti: randomUUID(),
    sub: 'project_path:acme/rentals:ref_type:branch:ref:main',
    namespace_id: '72',
    namespace_path: 'acme',
    project_id: '20',
    project_path: 'acme/rentals',
    user_id: '1',
    user_login: 'ada',
    pipeline_id: '574',
    pipeline_source: 'push',
    job_id: '302',
    ref: 'main',
    ref_type: 'branch',
    ref_path: 'refs/heads/main',
    ref_protected: 'true',
    environment: 'production',
    environment_protected: 'true',
    runner_environment: 'gitlab-hosted',
    sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
    ...over,
  }
}

/** As Buildkite does, without a `jti`, the ids only because they were asked for. */
export function buildkiteClaims(over: JWTPayload = {}): JWTPayload {
  return {
    ...times(300),
    sub: 'organization:acme:pipeline:rentals:ref:refs/heads/main:commit:9f3182061f1e2cca4702c368cbc039b7dc9d4485:step:deploy',
    organization_slug: 'acme',
    organization_id: '7ad7c1a4-6f10-4b9a-8d8d-3a6f1c0b2e11',
    pipeline_slug: 'rentals',
    pipeline_id: '0184990a-477b-4fa8-9968-496074483cee',
    build_number: 1,
    build_branch: 'main',
    build_commit: '9f3182061f1e2cca4702c368cbc039b7dc9d4485',
    step_key: 'deploy',
    job_id: '0184990a-4782-42b5-afc1-16715b10b8ff',
    agent_id: '0184990a-4770-4c9a-a1b2-3f1b6a7d6f20',
    build_source: 'ui',
    runner_environment: 'buildkite-hosted',
    ...over,
  }
}

/** As CircleCI does, without a `jti`. */
export function circleciClaims(over: JWTPayload = {}): JWTPayload {
  return {
    ...times(3_600),
    sub: 'org/3f0f5d0e-9f8d-4a3e-9d83-6f43d9f3a2c1/project/0b5d8e0a-2f2c-4b5b-8f49-5f3e3d0c9a17/user/7c1f0b62-5c8e-4d66-8a15-8e0e6a1bb1d4',
    'oidc.circleci.com/project-id': '0b5d8e0a-2f2c-4b5b-8f49-5f3e3d0c9a17',
    'oidc.circleci.com/context-ids': [
      '4d0f2a3e-7a8b-4a0a-9f6e-1c9f4a1f5c11',
      'c1f0a6d2-9b3e-4f4a-8e0f-2d8c7b6a5e44',
    ],
    'oidc.circleci.com/vcs-origin': 'github.com/acme/rentals',
    'oidc.circleci.com/vcs-ref': 'refs/heads/main',
    'oidc.circleci.com/ssh-rerun': false,
    'oidc.circleci.com/job-id': '6f6c0b7f-2f1d-4c80-b1b9-0b5c1ab2cbb9',
    ...over,
  }
}
