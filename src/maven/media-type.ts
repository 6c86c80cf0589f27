import type { LayoutPath } from './layout.ts'

/** The Content-Type of a file, by its extension; never one that a browser runs without sniffing. */
export function mediaTypeOf(_path: string): string {
  return 'application/octet-stream'
}

/** Whether a response with this file is worth compressing: text is, archives are compressed already. */
export function isCompressible(_path: string): boolean {
  return false
}

/** Whether the bytes at this path never change once they are readable: releases and timestamped snapshots. */
export function isImmutable(_layout: LayoutPath): boolean {
  return false
}
