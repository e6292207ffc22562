/**
 * Lets calls that are at the same point of the road take the next step together: the same code for many calls in a row
 * stays warm, and what they write wakes its readers once. Never holds a call for longer than what is already at hand.
 */

let next: Promise<void> | null = null

/** Resolves once everything that has already arrived has come this far. */
export function together(): Promise<void> {
  next ??= new Promise((resolve) => {
    setImmediate(() => {
      next = null
      resolve()
    })
  })
  return next
}
