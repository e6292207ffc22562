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
  /** Names of fields in its answer; null where that is no JSON, and may be anything. */
  answers: ReadonlySet<string> | null
}

export type Guess = { effects: Effect[]; why: string }

/** Of words, by how they begin. */
const secrets =
  /^(?:passw|secret|token|apikey|accesskey|credential|jwt|jwk|dsn|psk|pem$|private|otp$|totp|ssh|certificate|reveal|uri|url$|link$|download|presign|signed|export|logs?$|output|audit|env$|environment$|variable|config|kubeconfig|appsettings?|settings?$|webhook|hooks?$|invit|member|collaborator|permission|grant|share|role|user|keys?$|oauth|auth$|login|session|transfer|integration|domain|vpc|wireguard|vpn|vnc|allowlist|ips$|sas$|connection|dump|heapdump|zipball|tarball|archive$|snapshot|backup|impersonat|expose|tunnel|console|terminal|recovery)/
const losing =
  /^(?:delet|remov|destroy|purg|eras|wip|drop|truncat|clear|clean|flush|empty|trash|prune|forget|reset|restor|rollback|revert|undo|cancel|abort|terminat|stop|halt|poweroff|suspend|paus|shutdown|kill|archiv|disabl|deactivat|deregister|uninstall|unpublish|detach|unlink|revok|transfer|merg|finaliz|clos|void|refund|payout|captur|expir|reject|rotat|replac|swap|migrat|scale$|downgrad|upgrad|unprotect|protection|backup|snapshot|retention|force|overwrit|bulk|batch|renam|attach|restart|reboot|reinstall|rebuild|recover|failover|drain|promote|ban$|import|sync|refs?$|default|polic(?:y|ies)|ruleset|rules$)/
const running =
  /^(?:exec|run(?:s|ner|ners|ning)?$|invok|eval|quer(?:y|ies)|sql|script|command|console|shell|dispatch|trigger|deploy|build|rebuild|function|lambda|job|workflow|pipeline|action|rpc$|graphql|proxy|task|agent|webshell|terminal|publish|send)/
const accounts =
  /^(?:account|billing|invoice|payment|subscription|plans?$|organi[sz]ation|orgs?$|team|tenant|me$|admin|sso$|scim$|saml$)/
/** What a read is not called, unless it does something. */
const doing =
  /^(?:delete|remove|destroy|purge|erase|wipe|drop|truncate|flush|reset|rollback|revert|undo|cancel|abort|terminate|stop|halt|poweroff|suspend|pause|shutdown|kill|disable|deactivate|uninstall|unpublish|detach|revoke|rotate|restart|reboot|reinstall|rebuild|failover|restore|trigger|run|invoke|exec|execute|dispatch|deploy|publish|send|promote|merge)$/
const telling =
  /passw|secret|token|api_?key|access_?key|private_?key|credential|connection_?(?:uri|string|url)|(?:^|_)(?:dsn|jwt|otp|totp|psk|pem|env|kubeconfig)$|certificate|signed_?url|download_?url|(?:^|_)database_?url|recovery_?code/i

/** Fields that switch off or take away, and values that say so. */
const switches =
  /^(?:force|forced|purge|cascade|recursive|overwrite|protected|archived?|private|public|visibility|locked|enabled|disabled|suspended|deleted|delete|destroy|skip_final_snapshot|retention\w*|expires?(?:_at|_in)?|ttl)$/i
const endings =
  /delet|destroy|archiv|purg|disabl|suspend|terminat|cancel|revok|truncat|remov|wip|drop|reset|\bstop/i

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
  const done = word(doing)
  if (reads && done !== undefined) because('execute', `it says "${done}"`)
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
  if (answers === null) because('reveal', 'its answer is not described')
  const told = [...(answers ?? [])].find((name) => telling.test(name))
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
      .replaceAll(/\{[^{}]{0,100}\}/g, ' ')
      .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
      .split(/[^A-Za-z0-9]+/)
      .filter((word) => word !== '')
      .map((word) => word.toLowerCase()),
  )
}
