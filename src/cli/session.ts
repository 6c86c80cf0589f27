import type { Writable } from 'node:stream'
import type { Result } from '../base/result.ts'
import type { startNode } from '../node/index.ts'
import type { Failure } from './failure.ts'
import type { Server } from './server.ts'

/** What every command that speaks to a server is given. */
export type Session = {
  readonly server: Server
  /** `--repository`, when given. */
  readonly repository: string | undefined
  readonly surroundings: Surroundings
  /** `--json` was given: stdout is for one document. */
  readonly json: boolean
}

/** The process's own streams and settings, handed in so that a command can run inside another process. */
export type Surroundings = {
  readonly stdout: Writable
  readonly stderr: Writable & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly startNode: typeof startNode
}

export type StartFlags = Parameters<typeof startNode>[0]['flags']

/** What a command found out or did: `data` for `--json`, `text` for people. */
export type Report = { readonly data: object; readonly text: string }

export type Outcome = Promise<Result<Report, Failure>>
