/** What an operation does, guessed from its method, its words and its shapes, always towards the more dangerous. Pure. */
import type { Effect } from '../../policy/operation.ts'
import type { Method } from './description.ts'

export type Shape = {
  method: Method
  /** Of the path, the name and the summary, apart. */
  words: readonly string[]
  parameters: number
  /** Of its body: whether it takes whatever is put into it, the names of its fields, and what they may be where that is listed. */
  free: boolean
  fields: ReadonlySet<string>
  choices: ReadonlySet<string>
  /** Names of fields in its answer. */
  answers: ReadonlySet<string>
}

export type Guess = { effects: Effect[]; why: string }

const secrets =
  /^(?:passwords?|passwd|secrets?|tokens?|apikeys?|credentials?|jwt|jwks|dsn|private|otp|ssh|certificates?|reveal|uri|download|presign\w*|signed|export|logs?|audit|env|variables?|configs?|webhooks?|hooks?|invit\w*|members?|collaborators?|permissions?|grants?|shares?|roles?|users?|keys?|oauth|login|sessions?|transfer\w*|integrations?|domains?|vpc|allowlist|ips)$/
const losing =
  /^(?:delet\w*|remov\w*|destroy\w*|purg\w*|eras\w*|wip\w*|drop\w*|truncat\w*|clear\w*|reset\w*|restor\w*|rollback\w*|revert\w*|cancel\w*|terminat\w*|stop\w*|suspend\w*|paus\w*|shutdown|kill\w*|archiv\w*|disabl\w*|deactivat\w*|detach\w*|unlink\w*|revok\w*|transfer\w*|merg\w*|finaliz\w*|clos\w*|void\w*|refund\w*|payouts?|captur\w*|expir\w*|reject\w*|rotat\w*|replac\w*|swap\w*|migrat\w*|scale|downgrad\w*|upgrad\w*|unprotect\w*|protection\w*|backups?|snapshots?|retention|force|overwrit\w*|bulk|batch|renam\w*|attach\w*|restart\w*|reboot\w*|recover\w*|refs?|default|polic(?:y|ies)|rulesets?|rules)$/
const running =
  /^(?:exec\w*|run\w*|invok\w*|eval\w*|quer(?:y|ies)|sql|scripts?|commands?|consoles?|shells?|dispatch\w*|trigger\w*|deploy\w*|builds?|functions?|lambda|jobs?|workflows?|pipelines?|actions?|rpc|graphql|proxy|tasks?|agents?|webshell|terminal)$/
const accounts =
  /^(?:accounts?|billing|invoices?|payments?|subscriptions?|plans?|organi[sz]ations?|orgs?|teams?|tenants?|me|admin|sso|scim|saml)$/
const telling =
  /password|passwd|secret|token|api_?key|private_?key|credential|connection_?(?:uri|string|url)|(?:^|_)dsn$|(?:^|_)jwt$|(?:^|_)otp$|certificate/i

/** Fields that switch off or take away, and values that say so. */
const switches =
  /^(?:force|forced|purge|cascade|recursive|overwrite|protected|archived?|private|public|visibility|locked|enabled|disabled|suspended|deleted|delete|destroy|skip_final_snapshot|retention\w*|expires?(?:_at|_in)?|ttl)$/i
const endings = /delet|destroy|archiv|purg|disabl|suspend|terminat|cancel|revok|truncat/i

export function guess({ method, words, parameters, free, fields, choices, answers }: Shape): Guess {
  const effects = new Set<Effect>()
  const reasons: string[] = []
  const because = (effect: Effect, why: string) => {
    if (effects.has(effect)) return
    effects.add(effect)
    reasons.push(why)
  }
  const word = (of: RegExp) => words.find((one) => of.test(one))
  const reads = method === 'GET'
  effects.add(reads ? 'read' : 'write')
  if (method === 'DELETE') because('destructive', 'its method is DELETE')
  if (method === 'PUT') because('destructive', 'PUT replaces what is there')
  const lost = word(losing)
  if (!reads && lost !== undefined) because('destructive', `it says "${lost}"`)
  if (free) because('destructive', 'its body takes anything')
  const switched = [...fields].find((name) => switches.test(name))
  if (!reads && switched !== undefined) because('destructive', `its body has "${switched}"`)
  const ending = [...choices].find((value) => endings.test(value))
  if (!reads && ending !== undefined) because('destructive', `its body may say "${ending}"`)
  const ran = word(running)
  if (!reads && ran !== undefined) because('execute', `it says "${ran}"`)
  const secret = word(secrets)
  if (secret !== undefined) because('reveal', `it says "${secret}"`)
  const told = [...answers].find((name) => telling.test(name))
  if (told !== undefined) because('reveal', `its answer has "${told}"`)
  const account = word(accounts)
  if (account !== undefined) because('admin', `it says "${account}"`)
  if (!reads && parameters === 0) because('admin', 'it names nothing in its path')
  const plain = reads ? 'its method is GET' : `its method is ${method}`
  return { effects: [...effects], why: reasons.length === 0 ? plain : reasons.join('; ') }
}

/** `createProjectBranch`, `/projects/{id}/reset-password`: their words, small. Parameters say what is named, not what is done. */
export function wordsOf(...texts: readonly string[]): string[] {
  return texts.flatMap((text) =>
    text
      .replaceAll(/\{[^}]*\}/g, ' ')
      .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
      .split(/[^A-Za-z0-9]+/)
      .filter((word) => word !== '')
      .map((word) => word.toLowerCase()),
  )
}
