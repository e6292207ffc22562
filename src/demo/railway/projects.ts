/** Mutations on projects, members, tokens and the account. Calls nobody: a tested webhook is written down, not sent. */

import { randomUUID } from 'node:crypto'
import { type Call, environmentFor, projectFor, workspaceOnly } from './access.ts'
import { removeProject } from './removal.ts'
import type { Project, Token } from './world.ts'

type ProjectInput = Partial<
  Pick<
    Project,
    | 'baseEnvironmentId'
    | 'botPrEnvironments'
    | 'description'
    | 'focusedPrEnvironments'
    | 'isPublic'
    | 'name'
    | 'prDeploys'
  >
>

export const projectMutations = {
  projectUpdate({ id, input }: { id: string; input: ProjectInput }, call: Call) {
    workspaceOnly(call)
    return Object.assign(projectFor(call, id), input)
  },

  projectDelete({ id }: { id: string }, call: Call) {
    workspaceOnly(call)
    removeProject(call.world, projectFor(call, id).id)
    return true
  },

  projectMemberAdd(
    { input }: { input: { projectId: string; userId: string; role: string } },
    call: Call,
  ) {
    workspaceOnly(call)
    const { id: projectId } = projectFor(call, input.projectId)
    const email = `${input.userId}@example.test`
    const member = { id: input.userId, projectId, email, name: input.userId, role: input.role }
    call.world.members.push(member)
    return member
  },

  /** The new token works at once. */
  projectTokenCreate(
    { input }: { input: { projectId: string; environmentId: string; name: string } },
    call: Call,
  ) {
    workspaceOnly(call)
    environmentFor(call, input.environmentId, input.projectId)
    return issue(call, { kind: 'project', ...input, ...fresh() })
  },

  apiTokenCreate({ input }: { input: { name: string } }, call: Call) {
    workspaceOnly(call)
    return issue(call, { kind: 'workspace', name: input.name, ...fresh() })
  },

  loginSessionAuth({ input }: { input: { code: string; hostname?: string | null } }, call: Call) {
    workspaceOnly(call)
    call.world.approvedLogins.push({ code: input.code, hostname: input.hostname ?? null })
    return true
  },

  webhookTest({ url, payload }: { url: string; payload: string }, call: Call) {
    call.world.webhooks.push({ url, payload })
    return 200
  },

  cliEventTrack({ input }: { input: { command: string; success: boolean } }, call: Call) {
    call.world.cliEvents.push({ command: input.command, success: input.success })
    return true
  },
}

function fresh() {
  return { id: randomUUID(), token: randomUUID(), createdAt: new Date().toISOString() }
}

function issue(call: Call, token: Token): string {
  call.world.tokens.push(token)
  return token.token
}
