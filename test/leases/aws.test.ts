/** Fifteen minutes of an AWS role, through the SDK and against a fake of STS: narrowed, named, in the forms that AWS's clients take, and honest that it cannot be ended. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { fromProcess } from '@aws-sdk/credential-providers'
import { describe, expect, it } from 'vitest'
import { bin, commanded, valetkey } from '../cli/valetkey.ts'
import { type Answer, expectOk, front, send } from '../support/broker.ts'
import { folder } from '../support/folder.ts'
import { changeIn, confirm, passkey } from '../support/passkey.ts'
import { account, startSts } from '../support/sts.ts'

const policy = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: ['s3:GetObject'], Resource: 'arn:aws:s3:::acme-staging/*' },
  ],
}
const template = { role_arn: `arn:aws:iam::${account}:role/staging`, policy }

describe('a lease of AWS', async () => {
  const sts = await startSts()
  const at = await front()
  const secret = JSON.stringify({
    access_key_id: 'AKIAIOSFODNN7EXAMPLE',
    secret_access_key: 'x'.repeat(40),
  })
  const connection = {
    name: 'aws',
    provider: 'aws',
    base_url: sts.url,
    allow_private: true,
    secret,
  }
  expectOk(await at.admin('POST', '/admin/connections', connection))
  const own = [{ kind: 'account', address: account }]
  expectOk(
    await at.admin('POST', '/admin/environments/staging/bindings', { connection: 'aws', own }),
  )
  expectOk(await at.admin('PATCH', '/admin/environments/staging', { protected: false }))
  const set = (given: object) =>
    at.admin('PUT', '/admin/scopes/leasing', {
      environment: 'staging',
      allow: ['aws:lease'],
      leases: { aws: given },
    })
  expectOk(await set(template))
  const { json: agent } = expectOk(
    await at.admin('POST', '/admin/agents', { name: 'packer', scopes: ['leasing'] }),
  )
  const key = await passkey(at)
  const fresh = async () => {
    const answer = await at.agent('/oauth/token', {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`packer:${agent['secret']}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'leasing' }),
    })
    return String(expectOk(answer).json['access_token'])
  }
  const token = await fresh()
  const ask = (): Promise<Answer> =>
    send(`${at.broker.agentUrl}/v1/leases`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ connection: 'aws' }),
    })
  const last = () => sts.asked.at(-1)

  it('is the role with the scope’s session policy, for fifteen minutes, named after who holds it', async () => {
    const { json } = expectOk(await ask())
    expect(json).toMatchObject({
      revocable: false,
      credential: { access_key_id: expect.stringMatching(/^ASIA/) },
    })
    const { form, keyId } = last() ?? {}
    expect(keyId).toBe('AKIAIOSFODNN7EXAMPLE')
    expect(Object.fromEntries(form ?? [])).toMatchObject({
      Action: 'AssumeRole',
      RoleArn: template.role_arn,
      DurationSeconds: '900',
      RoleSessionName: 'valetkey-packer',
      SourceIdentity: 'valetkey-packer',
      Policy: expect.any(String),
      'Tags.member.1.Key': 'valetkey-agent',
      'Tags.member.1.Value': 'packer',
      'Tags.member.2.Key': 'valetkey-capability',
      'Tags.member.2.Value': expect.stringMatching(/^cap_/),
    })
    expect(JSON.parse(form?.get('Policy') ?? '')).toEqual(policy)
  })

  it('is taken by an AWS client through credential_process, and in a shell', async () => {
    const config = await folder()
    const file = join(config, 'aws-config')
    const environment = `VALETKEY_URL=${at.broker.agentUrl} VALETKEY_TOKEN=${token} HOME=${config}`
    const command = `/usr/bin/env ${environment} ${process.execPath} ${bin} lease create aws --format credential-process`
    await writeFile(file, `[profile leased]\ncredential_process = ${command}\n`)
    const credentials = fromProcess({
      profile: 'leased',
      configFilepath: file,
      filepath: join(config, 'none'),
    })
    const client = new STSClient({ region: 'us-east-1', endpoint: sts.url, credentials })
    expect(await client.send(new GetCallerIdentityCommand({}))).toMatchObject({ Account: account })
    expect(last()).toMatchObject({
      keyId: expect.stringMatching(/^ASIA/),
      token: expect.any(String),
    })
    client.destroy()
    const env = { VALETKEY_URL: at.broker.agentUrl, VALETKEY_TOKEN: token }
    const shell = await commanded(['lease', 'create', 'aws', '--format', 'env'], { config, env })
    expect(shell.stdout).toMatch(/^export AWS_ACCESS_KEY_ID='ASIA/)
  })

  it('is taken by an AWS client as a container does, in a command that holds nothing', async () => {
    const config = await folder()
    const broad = join(config, 'credentials')
    const keys = 'aws_access_key_id = AKIABROAD\naws_secret_access_key = broad'
    await writeFile(broad, `[default]\n${keys}\n`)
    const script = `
      const { STSClient, GetCallerIdentityCommand } = await import('@aws-sdk/client-sts')
      const client = new STSClient({ region: 'us-east-1', endpoint: process.argv[1] })
      const { Account } = await client.send(new GetCallerIdentityCommand({}))
      console.log(JSON.stringify({ Account, env: process.env }))`
    const ended = await valetkey(
      [
        'run',
        '--client-id',
        'packer',
        '--scope',
        'leasing',
        '--',
        process.execPath,
        '--input-type=module',
        '-e',
        script,
        sts.url,
      ],
      {
        config,
        env: {
          ...{ VALETKEY_URL: at.broker.agentUrl, VALETKEY_CLIENT_SECRET: String(agent['secret']) },
          ...{
            AWS_ACCESS_KEY_ID: 'AKIABROAD',
            AWS_SECRET_ACCESS_KEY: 'broad',
            AWS_EC2_METADATA_DISABLED: 'true',
            AWS_SHARED_CREDENTIALS_FILE: broad,
            AWS_ROLE_ARN: 'arn:aws:iam::1:role/broad',
            AWS_WEB_IDENTITY_TOKEN_FILE: broad,
          },
        },
      },
    )
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    const { Account, env } = JSON.parse(ended.stdout)
    expect(Account).toBe(account)
    expect(env).not.toHaveProperty('AWS_ACCESS_KEY_ID')
    expect(JSON.stringify(env)).not.toContain(broad)
    expect(last()?.keyId).toMatch(/^ASIA/)
  })

  it('is said to be still out, in the freeze’s answer and in the audit log, until it expires', async () => {
    const { json: lease } = expectOk(await ask())
    const frozen = expectOk(await at.admin('POST', '/admin/freezes', { subject: 'agent:packer' }))
    expect(frozen.json['still_out']).toContainEqual({
      ...{ lease: lease['id'], connection: 'aws', expires_at: lease['expires_at'] },
    })
    expect((await ask()).json).toMatchObject({ code: 'frozen' })
    const told = async () =>
      (await at.audit('&kind=lease')).some(
        (one) => one['outcome'] === 'still-valid' && Object(one['facts'])['lease'] === lease['id'],
      )
    for (let left = 100; left > 0 && !(await told()); left -= 1) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(await told()).toBe(true)
    expectOk(
      await confirm(at, key, [
        changeIn(await at.admin('DELETE', `/admin/freezes/${frozen.json['id']}`)),
      ]),
    )
  })

  it('is ended by a deny for the whole role, where the scope permits that, and is not said to be out', async () => {
    expectOk(await confirm(at, key, [changeIn(await set({ ...template, end_by_deny: true }))]))
    const held = await fresh()
    const answer = await send(`${at.broker.agentUrl}/v1/leases`, {
      method: 'POST',
      headers: { authorization: `Bearer ${held}` },
      body: JSON.stringify({ connection: 'aws' }),
    })
    expect(expectOk(answer).json).toMatchObject({ revocable: true })
    const frozen = expectOk(await at.admin('POST', '/admin/freezes', { subject: 'agent:packer' }))
    expect(frozen.json['still_out']).not.toContainEqual(
      expect.objectContaining({ lease: answer.json['id'] }),
    )
    const denied = () => sts.asked.find(({ action }) => action === 'PutRolePolicy')
    for (let left = 100; left > 0 && denied() === undefined; left -= 1) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const { form } = denied() ?? {}
    expect(form?.get('RoleName')).toBe('staging')
    const {
      Statement: [statement],
    } = JSON.parse(form?.get('PolicyDocument') ?? '{"Statement":[]}')
    expect(statement).toMatchObject({ Effect: 'Deny', Action: '*', Resource: '*' })
    const before = Date.parse(statement.Condition.DateLessThan['aws:TokenIssueTime'])
    expect(Math.abs(before - Date.now())).toBeLessThan(20_000)
    const lifted = await at.admin('DELETE', `/admin/freezes/${frozen.json['id']}`)
    expectOk(await confirm(at, key, [changeIn(lifted)]))
    expectOk(await confirm(at, key, [changeIn(await set(template))]))
  })

  it.each([
    ['AccessDenied', /AssumeRole/],
    ['PackedPolicyTooLarge', /fewer actions/],
  ])('says what to do when AWS answers %s, and nothing stays', async (name, hint) => {
    sts.fault.name = name
    const answer = await ask()
    sts.fault.name = null
    expect(answer.json).toMatchObject({ code: 'conflict', hint: expect.stringMatching(hint) })
  })

  it.each([
    ['everything on everything', { Action: '*', Resource: '*' }, /narrows nothing/],
    ['what is too long', { Resource: 'a'.repeat(2_100) }, /longer than 2048/],
    ['what is no policy', { NotAction: 's3:*' }, /cannot be read/],
  ])('has no template that allows %s', async (_, statement, why) => {
    const wide = { ...policy, Statement: [{ ...policy.Statement[0], ...statement }] }
    expect((await set({ ...template, policy: wide })).json).toMatchObject({
      detail: expect.stringMatching(why),
    })
  })

  it('of another account than the environment’s is refused before AWS is asked', async () => {
    const other = { ...template, role_arn: 'arn:aws:iam::999999999999:role/production' }
    expectOk(await confirm(at, key, [changeIn(await set(other))]))
    const before = sts.asked.length
    const fallen = await ask()
    expect(fallen.json).toMatchObject({ code: 'outside-environment' })
    expect(sts.asked.length).toBe(before)
  })
})
