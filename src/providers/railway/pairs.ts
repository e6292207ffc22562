/** The groups of arguments that Railway's operations have in common. Data; what pins an environment stands in each group. */

/** A service in an environment. */
export const pair = { environmentId: 'environment', serviceId: 'context service' }
export const triple = { ...pair, projectId: 'context project' }

export const inputPair = {
  'input.environmentId': 'environment',
  'input.serviceId': 'context service',
}
export const inputTriple = { ...inputPair, 'input.projectId': 'context project' }

/** An environment, said with the project that it is in. */
export const inputSpot = {
  'input.environmentId': 'environment',
  'input.projectId': 'context project',
}

/** The same where Railway would act on every environment, or on a new project, if it were left out. */
export const inputSpotRequired = {
  'input.environmentId': 'environment!',
  'input.projectId': 'context project',
}

/** A database cluster, named by the service at its root. */
export const cluster = { environmentId: 'environment', rootServiceId: 'context service' }
export const inputCluster = { ...inputSpot, 'input.rootServiceId': 'context service' }

export const backupOfInstance = {
  volumeInstanceId: 'volume-instance',
  volumeInstanceBackupId: 'backup',
}
