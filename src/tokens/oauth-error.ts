/** How the token endpoints say no (RFC 6749, 7009, 9396). The description says what to do next, and is shown to the client. */

const statuses = {
  invalid_request: 400,
  invalid_client: 401,
  invalid_grant: 400,
  invalid_scope: 400,
  unauthorized_client: 400,
  access_denied: 400,
  unsupported_grant_type: 400,
  invalid_authorization_details: 400,
  invalid_dpop_proof: 400,
  use_dpop_nonce: 400,
  temporarily_unavailable: 503,
  server_error: 500,
} as const

export type OauthCode = keyof typeof statuses

export class OauthError extends Error {
  readonly code: OauthCode
  readonly status: number

  constructor(code: OauthCode, description: string, status: number = statuses[code]) {
    super(description)
    this.name = 'OauthError'
    this.code = code
    this.status = status
  }
}
