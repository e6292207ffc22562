/** The check row: a sealed value that only the right master key opens, so that a wrong one is found at start and not later. */
import { BrokerError } from '../errors.ts'
import { type Keyring, kidOf } from './keyring.ts'

const row = 'seal_check/1/sealed'
const value = 'valetkey'

export function sealCheckRow(keyring: Keyring): Promise<string> {
  return keyring.seal(row, value)
}

/** `sealed` is null in a database where nothing was ever sealed. */
export async function assertOpens(keyring: Keyring, sealed: string | null): Promise<void> {
  if (sealed === null) return
  try {
    if ((await keyring.open(row, sealed)).reveal() === value) return
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    throw new Error(wrongKey(keyring, sealed), { cause: error })
  }
  throw new Error(wrongKey(keyring, sealed))
}

function wrongKey(keyring: Keyring, sealed: string): string {
  return `The master key is not the one that sealed this database: it needs key ${kidNamed(sealed)} and was given ${keyring.kids.join(', ')}; give it the former key, which nothing else can replace`
}

function kidNamed(sealed: string): string {
  try {
    return kidOf(sealed)
  } catch {
    // The check row itself was altered, and then the sentence still has to be said.
    return 'of an unreadable name'
  }
}
