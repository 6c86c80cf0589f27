/**
 * What the engines need of a file system, and no more. Paths are absolute and use `/`. A failing call rejects with an
 * Error whose `code` is the errno name (`ENOENT`, `EEXIST`, `ENOSPC`, `EIO`, …).
 *
 * What survives power loss is only what was asked for: bytes of a file after its `datasync`; a name that was created,
 * renamed or unlinked after `syncDirectory` of the directory it is in. Everything else may be kept, lost or garbled.
 */
export interface Disk {
  /** `create` refuses an existing name (EEXIST) and gives a file for reading and writing. The caller closes it. */
  open(path: string, mode: 'read' | 'create'): Promise<DiskFile>
  exists(path: string): Promise<boolean>
  /** Replaces `to` in one step when it exists. */
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** The names in a directory, in no particular order. */
  list(directory: string): Promise<readonly string[]>
  /** Makes one directory; an existing one is fine. */
  makeDirectory(path: string): Promise<void>
  syncDirectory(directory: string): Promise<void>
  freeSpace(path: string): Promise<FreeSpace>
}

/** An open file. Calls may overlap; `close` comes last. */
export interface DiskFile {
  /** Fills `into` from `position` on; resolves with fewer bytes only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>
  /** As `read`, but nothing else runs meanwhile: for a few kilobytes that are in memory most likely. */
  readNow(into: Uint8Array, position: number): number
  /** Writes all of `bytes`, which must not change until it resolves. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Makes what was written durable. After a failure the state of the file is unknown: never call it again. */
  datasync(): Promise<void>
  close(): Promise<void>
}

/** Of the file system that holds a path: what an unprivileged writer may still use, and its size. */
export type FreeSpace = { readonly freeBytes: number; readonly totalBytes: number }

/** The errno name of a failed call, or undefined when the error has none. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** The disk, or the owner's quota on it, is full: an expected refusal, unlike all other errors of a write. */
export function isNoSpace(error: unknown): boolean {
  const code = errorCode(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** The directory that holds `path`. */
export function parentDirectory(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}
