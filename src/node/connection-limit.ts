/** Bounds the memory that connections take; each costs some tens of kilobytes. */
const CONNECTIONS_MAX = 10_000

/**
 * The share of the process's open files that connections may take. The rest is for the storage: a file that it cannot
 * open counts as a failed disk and stops the node, which nobody may bring about by connecting often.
 */
const SHARE_OF_OPEN_FILES = 0.25

/** How many connections the node takes at once, by what the system lets it open. */
export function connectionLimit(): number {
  const { userLimits } = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft: number | 'unlimited' } }
  }
  const openFiles = userLimits?.open_files?.soft
  if (typeof openFiles !== 'number') return CONNECTIONS_MAX
  return Math.min(CONNECTIONS_MAX, Math.floor(openFiles * SHARE_OF_OPEN_FILES))
}
