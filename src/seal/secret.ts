/** A value that cannot be printed: however it is shown, it shows `[secret]`. Only `reveal` gives it. */
import { inspect } from 'node:util'

export type Secret = { readonly reveal: () => string }

export function secret(value: string): Secret {
  return Object.freeze({ reveal: () => value, ...hidden })
}

const mask = () => '[secret]'
const hidden = { toString: mask, toJSON: mask, [Symbol.toPrimitive]: mask, [inspect.custom]: mask }
