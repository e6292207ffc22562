/** The part of autocannon, which brings no types, that the bench uses. */
declare module 'autocannon' {
  function autocannon(options: autocannon.Options): PromiseLike<autocannon.Result>
  namespace autocannon {
    type Options = {
      url: string
      connections: number
      /** Seconds, as are the others. */
      duration: number
      timeout: number
      requests: readonly {
        method: string
        headers: Readonly<Record<string, string>>
        body: string
      }[]
      /** What it denies is counted among the mismatches. */
      verifyBody?: (body: string) => boolean
    }
    type Result = {
      '2xx': number
      non2xx: number
      errors: number
      timeouts: number
      mismatches: number
      duration: number
      /** Milliseconds. */
      latency: { p50: number; p99: number }
    }
  }
  export = autocannon
}
