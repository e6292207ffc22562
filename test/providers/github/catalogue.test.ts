/** All of GitHub's documented operations: that each is matched by its own URL, and that what decides is spelled as the catalogue has it. */
import { expect, it } from 'vitest'
import { effects, harmless } from '../../../src/providers/github/effects.ts'
import { catalogue, github } from '../../../src/providers/github/provider.ts'
import { writeTemplate } from '../../../src/providers/rest/template.ts'

const { operations } = catalogue()

const reading = (method: string, path: string) =>
  github.read(null, {
    method,
    segments: path.slice(1).split('/').map(decodeURIComponent),
    ...{ query: [], contentType: null, body: new Uint8Array() },
  })

it('has every one of them once, and each URL of a template is that very operation', () => {
  expect(operations.length).toBeGreaterThan(1_200)
  for (const one of operations) {
    // A multi-segment parameter as Octokit sends it, and as it is written by hand.
    for (const several of ['heads/a b', 'heads%2Fa%20b']) {
      const path = writeTemplate(one.template)
        .replaceAll(/\{\+[^}]+\}/g, several.replaceAll(' ', '%20'))
        .replaceAll(/\{([^}]+)\}/g, (_, name: string) => `${name}1`)
      const read = reading(one.method, path)
      if (read.kind !== 'call') throw new Error('no call')
      expect([path, read.operations.map(({ name }) => name)]).toEqual([path, [one.name]])
      expect(read.request.path).toBe(path.replaceAll('%2F', '/'))
    }
  }
})

it('decides only about operations that there are', () => {
  const names = new Set(operations.map(({ name }) => name))
  expect([...Object.keys(effects), ...harmless].filter((name) => !names.has(name))).toEqual([])
})

it('takes nothing that deletes, moves or opens a repository for an ordinary write', () => {
  const ordinary = operations.filter((one) =>
    one.effects.every((effect) => effect === 'write' || effect === 'read'),
  )
  const suspicious = ordinary.filter(
    ({ name, method }) => method === 'DELETE' && !/^(?:reactions|issues|pulls)\//.test(name),
  )
  expect(suspicious.map(({ name }) => name)).toEqual([])
  for (const name of [
    ...[
      'repos/delete',
      'repos/transfer',
      'repos/update',
      'git/delete-ref',
      'repos/merge',
      'pulls/merge',
    ],
    ...['repos/create-webhook', 'repos/create-deploy-key', 'apps/create-installation-access-token'],
    ...[
      'repos/delete-branch-protection',
      'repos/add-collaborator',
      'actions/create-or-update-repo-secret',
    ],
  ]) {
    expect(ordinary.map((one) => one.name)).not.toContain(name)
  }
})
