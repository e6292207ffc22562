/**
 * What GitHub's operations do, where their names and shapes alone would say too much or too little. What is not here keeps the effect
 * that was guessed when the catalogue was made, always towards the more dangerous.
 */
import type { Effect } from '../../policy/operation.ts'

/** Pushing runs whatever CI is there, with its secrets: whoever writes content runs code. */
const pushes = ['write', 'execute'] as const
/** A check, a status or a review that is green lets something be merged: it takes a protection away. */
const lets = ['write', 'destructive'] as const

/** Talk about the work. It can be taken back, and nothing hangs on it. */
const talk = `
  issues/create issues/update issues/create-comment issues/update-comment issues/add-assignees issues/remove-assignees
  issues/add-labels issues/set-labels issues/remove-label issues/remove-all-labels issues/lock issues/unlock
  issues/pin-comment issues/unpin-comment issues/create-label issues/update-label issues/create-milestone
  issues/update-milestone issues/add-sub-issue issues/remove-sub-issue issues/reprioritize-sub-issue
  issues/add-blocked-by-dependency issues/remove-dependency-blocked-by issues/add-issue-field-values
  issues/set-issue-field-values issues/delete-issue-field-value issues/dismiss-suggestion
  pulls/create pulls/update pulls/request-reviewers pulls/remove-requested-reviewers pulls/create-review-comment
  pulls/create-reply-for-review-comment pulls/update-review-comment pulls/update-review pulls/delete-pending-review
  repos/create-commit-comment repos/update-commit-comment repos/generate-release-notes
  reactions/create-for-commit-comment reactions/create-for-issue reactions/create-for-issue-comment
  reactions/create-for-pull-request-review-comment reactions/create-for-release
  reactions/delete-for-commit-comment reactions/delete-for-issue reactions/delete-for-issue-comment
  reactions/delete-for-pull-request-comment reactions/delete-for-release
  git/create-blob git/create-tree git/create-commit git/create-tag`

/** Their answers hold people and repositories, and no secret. */
const looks = `
  issues/list-for-repo issues/get issues/get-event issues/list-events-for-repo
  issues/check-user-can-be-assigned issues/check-user-can-be-assigned-to-issue
  repos/get-content repos/get-readme repos/get-readme-in-directory repos/get-commit licenses/get-for-repo
  repos/compare-commits-with-basehead repos/list-releases repos/get-latest-release repos/get-release-by-tag
  repos/get-release repos/list-release-assets repos/get-environment repos/get-all-deployment-protection-rules
  actions/list-artifacts-for-repo actions/get-artifact actions/list-workflow-run-artifacts
  actions/get-job-for-workflow-run actions/get-reviews-for-run actions/list-jobs-for-workflow-run
  actions/list-jobs-for-workflow-run-attempt actions/list-concurrency-groups-for-workflow-run
  actions/get-pending-deployments-for-run actions/get-workflow-run-usage checks/get checks/list-annotations
  pulls/check-if-merged pulls/get-merge-async-result activity/list-repo-events
  pulls/list pulls/get checks/get-suite checks/list-suites-for-ref repos/get repos/list-collaborators
  repos/check-collaborator repos/get-collaborator-permission-level repos/get-pages
  repos/get-combined-status-for-ref actions/list-workflow-runs actions/list-workflow-runs-for-repo
  actions/get-workflow-run actions/get-workflow-run-attempt`

/** Whole issues of other repositories, private forks, what nobody has published, and addresses that need no sign-in. */
const shows = `
  issues/get-parent issues/list-sub-issues issues/list-dependencies-blocked-by issues/list-dependencies-blocking
  issues/list-events-for-timeline repos/list-forks activity/get-feeds gists/get gists/get-revision gists/list-starred
  code-scanning/get-variant-analysis code-scanning/get-variant-analysis-repo-task repos/list-attestations
  security-advisories/list-repository-advisories security-advisories/get-repository-advisory
  copilot/copilot-enterprise-one-day-usage-metrics copilot/copilot-enterprise-usage-metrics
  copilot/copilot-enterprise-repos-one-day-report`

export const effects: Readonly<Record<string, readonly Effect[]>> = {
  ...each(talk, ['write']),
  ...each(looks, ['read']),
  ...each(shows, ['read', 'reveal']),
  ...each('repos/create-or-update-file-contents git/create-ref pulls/update-branch', pushes),
  ...each(
    'repos/create-release actions/create-workflow-dispatch repos/create-dispatch-event',
    pushes,
  ),
  ...each(
    'checks/rerequest-suite code-scanning/create-variant-analysis issues/approve-suggestion',
    pushes,
  ),
  ...each('actions/re-run-workflow actions/re-run-workflow-failed-jobs', pushes),
  ...each('actions/re-run-job-for-workflow-run repos/create-deployment', pushes),
  ...each('code-scanning/commit-autofix repos/create-pages-deployment', pushes),
  ...each(
    'checks/create checks/update checks/set-suites-preferences repos/create-commit-status',
    lets,
  ),
  ...each('pulls/create-review pulls/submit-review pulls/dismiss-review', lets),
  ...each('code-scanning/update-alert dependabot/update-alert code-scanning/upload-sarif', lets),
  ...each('repos/update-release repos/update-release-asset repos/create-autolink', lets),
  ...each('gists/fork gists/create-comment gists/update-comment activity/mark-thread-as-read', [
    'write',
    'admin',
  ]),
  ...each('dependabot/update-repository-access-for-enterprise', ['write', 'reveal', 'admin']),
  ...each('repos/custom-properties-for-repos-create-or-update-repository-values', lets),
  ...each('actions/approve-workflow-run actions/review-pending-deployments-for-run', [
    ...lets,
    'execute',
  ]),
  ...each('git/update-ref pulls/merge pulls/merge-async repos/merge repos/merge-upstream', [
    ...lets,
    'execute',
  ]),
  ...each('repos/delete-file', [...lets, 'execute']),
  ...each('pull-request-stacks/create pull-request-stacks/add pull-request-stacks/unstack', [
    ...lets,
    'execute',
  ]),
  ...each('security-advisories/create-repository-advisory', [...lets, 'reveal']),
  ...each('security-advisories/update-repository-advisory', [...lets, 'reveal']),
  ...each('security-advisories/create-repository-advisory-cve-request', [...lets, 'reveal']),
  // Whoever holds what these answer with runs jobs as the repository's own.
  ...each('actions/generate-runner-jitconfig-for-repo', ['write', 'execute', 'reveal']),
  // A copy outside of everything that guards this one.
  ...each('repos/create-fork security-advisories/create-fork', ['write', 'reveal', 'admin']),
}

/** What names nothing, and tells nothing of anybody. */
export const harmless: ReadonlySet<string> = new Set(
  names(`meta/get meta/get-all-versions meta/get-zen meta/get-octocat rate-limit/get emojis/get
    licenses/get-all-commonly-used gitignore/get-all-templates codes-of-conduct/get-all-codes-of-conduct`),
)

function each(list: string, of: readonly Effect[]): Record<string, readonly Effect[]> {
  return Object.fromEntries(names(list).map((name) => [name, of]))
}

function names(list: string): string[] {
  return list.trim().split(/\s+/)
}
