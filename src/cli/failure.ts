/**
 * Why a command did not do what it was asked. `message` says what was wrong and what exists, `next` what to do about it;
 * both are shown to the user and never hold a token.
 */
export type Failure = {
  readonly kind: 'refused' | 'bad-usage' | 'no-connection'
  readonly message: string
  readonly next?: string | undefined
  /** Of the answer of a server that refused. */
  readonly statusCode?: number
}

/** The process's exit code for a failure; 0 is success. */
export function exitCodeOf(failure: Failure): number {
  switch (failure.kind) {
    case 'refused':
      return 1
    case 'bad-usage':
      return 2
    case 'no-connection':
      return 3
  }
}

/** The command was understood, but the server, a file or a rule stands against it. */
export function refused(message: string, next?: string): Failure {
  return { kind: 'refused', message, next }
}

/** The command line itself is wrong or incomplete. */
export function badUsage(message: string, next?: string): Failure {
  return { kind: 'bad-usage', message, next }
}

/** What went wrong with a file of the user's, in words instead of a system call. */
export function fileFailure(path: string, error: unknown): Failure {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const known: Record<string, string> = {
    ENOENT: 'there is no such file or directory',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EISDIR: 'it is a directory',
    ENOTDIR: 'a part of the path is not a directory',
    ENOSPC: 'the disk is full',
    EROFS: 'the file system is read-only',
  }
  const reason = error instanceof Error ? error.message : String(error)
  return refused(`${path}: ${known[code] ?? reason}`)
}
