/** What is sent in the replay, word for word, and the simulation's ids that it names. Sends nothing itself. */
import { noBreak } from './layout.ts'
import { ids } from './railway/world.ts'

const { staging, production } = ids.environments
const { postgresData, scratch } = ids.volumes

export type Document = { query: string; variables?: Record<string, unknown> }

export const volumeId = postgresData
/** A volume of staging alone. */
export const scratchId = scratch

/** As it was sent in April 2026: anonymous, with the id in the text. */
export const theCall: Document = deletion(postgresData)

export const deleteScratch: Document = deletion(scratch)

export const disguised: Document = {
  query: `mutation { ...Tidy } fragment Tidy on Mutation { tidied: volumeDelete(volumeId: "${postgresData}") }`,
}

/** Railway takes whole configurations as JSON, in which a volume can be marked as deleted. */
export const patched: Document = {
  query:
    'mutation($at: String!, $patch: EnvironmentConfig) { environmentPatchCommit(environmentId: $at, patch: $patch) }',
  variables: { at: staging, patch: { volumes: { [postgresData]: { isDeleted: true } } } },
}

export const readStaging = services(staging)
export const readProduction = services(production)

export const addDomain: Document = {
  query:
    'mutation($input: CustomDomainCreateInput!) { customDomainCreate(input: $input) { domain } }',
  variables: {
    input: {
      projectId: ids.projects.rentals,
      environmentId: staging,
      serviceId: ids.services.web,
      domain: 'preview.acme-rentals.example',
    },
  },
}

export const redeploy: Document = {
  query: `mutation { deploymentRedeploy(id: "${ids.deployments.webStaging}") { status } }`,
}

function deletion(volume: string): Document {
  return { query: `mutation { volumeDelete(volumeId: "${volume}") }` }
}

function services(environment: string): Document {
  return {
    query: `{ environment(id: "${environment}") { name serviceInstances { edges { node { serviceName } } } } }`,
  }
}

/** The command that sends it. curl says nothing of JSON, which Railway and the broker take all the same. */
export function curl(url: string, bearer: string, document: Document): string[] {
  return [
    `curl -X POST ${url}${noBreak}\\`,
    `  -H "Authorization: Bearer ${bearer}"${noBreak}\\`,
    `  -d '${shortened(JSON.stringify(document))}'`,
  ]
}

/** Ids by their beginnings, for people. */
export function shortened(text: string): string {
  return text.replace(/([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '$1-…')
}
