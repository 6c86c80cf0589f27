import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { err, ok, type Result } from '../base/result.ts'
import { type Failure, fileFailure, refused } from './failure.ts'

/** One file of a deployment, with the digests (lowercase hex) of its bytes. `open` can be called again. */
export type Part = {
  /** In the repository. */
  readonly path: string
  readonly sizeBytes: number
  readonly sha1: string
  readonly sha256: string
  open(): AsyncIterable<Uint8Array>
}

/** A part whose bytes are at hand. */
export function partOfBytes(path: string, bytes: Uint8Array): Part {
  const digest = (algorithm: string) => createHash(algorithm).update(bytes).digest('hex')
  return {
    path,
    sizeBytes: bytes.length,
    sha1: digest('sha1'),
    sha256: digest('sha256'),
    async *open() {
      yield bytes
    },
  }
}

/** A part whose bytes are read from a file each time they are needed, and never held. */
export async function partOfFile(path: string, file: string): Promise<Result<Part, Failure>> {
  const [sha1, sha256] = [createHash('sha1'), createHash('sha256')]
  let sizeBytes = 0
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      sha1.update(chunk)
      sha256.update(chunk)
      sizeBytes += chunk.length
    }
  } catch (error) {
    return err(fileFailure(file, error))
  }
  if (sizeBytes === 0) return err(refused(`${file} is empty`))
  return ok({
    path,
    sizeBytes,
    sha1: sha1.digest('hex'),
    sha256: sha256.digest('hex'),
    open: () => readExactly(file, sizeBytes),
  })
}

/** The length is announced before the bytes are read again, so a file that has shrunk must not pass for whole. */
async function* readExactly(file: string, sizeBytes: number): AsyncGenerator<Uint8Array> {
  let restBytes = sizeBytes
  for await (const chunk of createReadStream(file, { end: sizeBytes - 1 })) {
    restBytes -= (chunk as Buffer).length
    yield chunk as Buffer
  }
  if (restBytes > 0) throw new Error('it changed while it was read')
}
