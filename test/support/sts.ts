/** A local fake of AWS STS, and of the one call of IAM that matters, in their query protocol: it remembers what was asked, and gives credentials of a form that clients take. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { closeLater } from './closing.ts'

export type Sts = {
  url: string
  account: string
  asked: { action: string; keyId: string; token: string | undefined; form: URLSearchParams }[]
  /** The name of the error that it answers with instead, or nothing. */
  fault: { name: string | null }
}

export const account = '123456789012'

export async function startSts(): Promise<Sts> {
  const asked: Sts['asked'] = []
  const fault: Sts['fault'] = { name: null }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const form = new URLSearchParams(Buffer.concat(chunks).toString())
    const action = form.get('Action') ?? ''
    const authorization = request.headers.authorization ?? ''
    const [, keyId = ''] = /^AWS4-HMAC-SHA256 Credential=([A-Z0-9]+)\//.exec(authorization) ?? []
    const token = request.headers['x-amz-security-token']
    asked.push({ action, keyId, token: typeof token === 'string' ? token : undefined, form })
    const xml = (status: number, body: string) => {
      response.writeHead(status, { 'content-type': 'text/xml' })
      response.end(body)
    }
    const metadata = '<ResponseMetadata><RequestId>x</RequestId></ResponseMetadata>'
    if (fault.name !== null) {
      const error = `<Error><Type>Sender</Type><Code>${fault.name}</Code><Message>no</Message></Error>`
      return xml(
        403,
        `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${error}<RequestId>x</RequestId></ErrorResponse>`,
      )
    }
    const result =
      action === 'AssumeRole'
        ? `<Credentials><AccessKeyId>ASIA${randomBytes(8).toString('hex').toUpperCase()}</AccessKeyId><SecretAccessKey>${randomBytes(20).toString('hex')}</SecretAccessKey><SessionToken>${randomBytes(40).toString('hex')}</SessionToken><Expiration>${new Date(Date.now() + 900_000).toISOString()}</Expiration></Credentials><AssumedRoleUser><Arn>arn:aws:sts::${account}:assumed-role/x/y</Arn><AssumedRoleId>x:y</AssumedRoleId></AssumedRoleUser>`
        : `<Arn>arn:aws:iam::${account}:user/valetkey</Arn><UserId>AIDA</UserId><Account>${account}</Account>`
    xml(
      200,
      `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${result}</${action}Result>${metadata}</${action}Response>`,
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  closeLater(async () => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${address.port}`, account, asked, fault }
}
