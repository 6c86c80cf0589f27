import { err, type Result } from '../base/result.ts'

export const CHECKSUM_ALGORITHMS = ['sha1', 'md5', 'sha256', 'sha512'] as const

/** Also the extension of the checksum's file. */
export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number]

export type ChecksumRefusal = {
  readonly kind: 'too-large' | 'not-a-checksum'
  readonly detail: string
}

/** A checksum file is at most this large: the longest digest and a path fit many times. */
export const CHECKSUM_FILE_BYTES_MAX = 4_096

/** The digest in a checksum file, as lowercase hex. */
export function parseChecksumFile(
  text: string,
  _algorithm: ChecksumAlgorithm,
): Result<string, ChecksumRefusal> {
  return err({ kind: 'not-a-checksum', detail: text })
}

/** The algorithm of a checksum file's name and the name of the file it is for; undefined for other names. */
export function checksumExtension(
  _path: string,
): { readonly algorithm: ChecksumAlgorithm; readonly target: string } | undefined {
  return undefined
}
