import { err, ok, type Result } from '../base/result.ts'

export const CHECKSUM_ALGORITHMS = ['sha1', 'md5', 'sha256', 'sha512'] as const

/** Also the extension of the file that holds the checksum. */
export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number]

export type ChecksumRefusal = {
  readonly kind: 'too-large' | 'not-a-checksum'
  readonly detail: string
}

/** A checksum file is at most this large: a grouped SHA-512 and the longest path fit twice. */
export const CHECKSUM_FILE_BYTES_MAX = 4_096

/**
 * The digest in a checksum file, as lowercase hex. Read are the forms that tools have published: the bare digest, the
 * lines of `sha1sum` and of `openssl` (or BSD `md5`), and the groups of `gpg --print-md`, with or without a file name.
 */
export function parseChecksumFile(
  text: string,
  algorithm: ChecksumAlgorithm,
): Result<string, ChecksumRefusal> {
  if (text.length > CHECKSUM_FILE_BYTES_MAX) {
    return err({
      kind: 'too-large',
      detail: `A checksum file holds one digest and is at most ${CHECKSUM_FILE_BYTES_MAX} bytes.`,
    })
  }
  const digest = findDigest(text.trim())?.replace(/\s+/g, '').toLowerCase()
  const digits = HEX_DIGITS[algorithm]
  if (
    digest === undefined ||
    digest.length > digits ||
    digest.length < digits - MISSING_ZEROS_MAX
  ) {
    return err({
      kind: 'not-a-checksum',
      detail: `A .${algorithm} file must hold one ${algorithm.toUpperCase()} digest of ${digits} hexadecimal digits.`,
    })
  }
  return ok(digest.padStart(digits, '0'))
}

/** Which checksum a path names, and of which path; undefined when it names none. */
export function checksumExtension(
  path: string,
): { readonly algorithm: ChecksumAlgorithm; readonly target: string } | undefined {
  const dot = path.lastIndexOf('.')
  const extension = path.slice(dot + 1)
  const algorithm = CHECKSUM_ALGORITHMS.find((name) => name === extension)
  return dot < 1 || algorithm === undefined ? undefined : { algorithm, target: path.slice(0, dot) }
}

const HEX_DIGITS: Record<ChecksumAlgorithm, number> = { md5: 32, sha1: 40, sha256: 64, sha512: 128 }

/** Old Gradle wrote digests as numbers, without leading zeros. More than four are missing once in a million files. */
const MISSING_ZEROS_MAX = 4

const FORMS = [
  // The digest alone, or followed by spaces and a file name.
  /^([0-9a-f]+)(?:\s|$)/i,
  // `SHA1(path)= digest`, `MD5 (path) = digest`
  /^[\w-]+ ?\(.*\) ?= ?([0-9a-f]+)$/i,
]

/** `gpg --print-md` writes MD5 by two digits, SHA-1 by four and the longer digests by eight, over several lines. */
const GROUPED = [2, 4, 8].map(
  (size) =>
    new RegExp(
      `^(?:.*:)?\\s*([0-9a-f]{${size}}(?:\\s+[0-9a-f]{${size}}){3,64})(?:\\s+\\S.*)?$`,
      'i',
    ),
)

function findDigest(text: string): string | undefined {
  for (const form of [...GROUPED, ...FORMS]) {
    const digest = form.exec(text)?.[1]
    if (digest !== undefined) return digest
  }
  return undefined
}
