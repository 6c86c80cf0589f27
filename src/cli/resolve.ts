import { createHash, randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve as resolvePath } from 'node:path'
import { Transform, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { RequestError } from 'got'
import { err, ok, type Result } from '../base/result.ts'
import {
  artifactPath,
  formatCoordinates,
  parseChecksumFile,
  parseCoordinates,
} from '../maven/index.ts'
import { badUsage, type Failure, fileFailure, refused } from './failure.ts'
import { Progress } from './progress.ts'
import { connectionFailure } from './refusal.ts'
import type { Download } from './server.ts'
import type { Outcome, Session } from './session.ts'

/** `aether resolve g:a:v`: fetches one file of an artifact and proves that it came whole. */
export async function resolve(text: string, output: string | undefined, session: Session): Outcome {
  if (output === '-' && session.json) {
    return err(badUsage('--json and -o - both want stdout', 'Name a file with -o.'))
  }
  const coordinates = parseCoordinates(withExtension(text))
  if (!coordinates.ok) {
    return err(
      badUsage(
        `"${text}": ${coordinates.error.detail}`,
        'Examples: org.slf4j:slf4j-api:2.0.16, g:a:1.0:sources, g:a:1.0@pom, g:a:war:1.0.',
      ),
    )
  }
  const repository = session.repository ?? 'public'
  const path = artifactPath(coordinates.value)
  const url = session.server.urlOf(repository, path)
  const download = await session.server.open(url)
  if (!download.ok) return download
  if (download.value === undefined) {
    const { groupId, artifactId } = coordinates.value
    return err(
      refused(
        `${text} is not in the repository ${repository} of ${session.server.url}`,
        `See what there is: aether versions ${groupId}:${artifactId}`,
      ),
    )
  }
  const target = output ?? basename(path)
  const received = await receive(download.value, url, target, session)
  if (!received.ok) return received
  const data = {
    coordinates: formatCoordinates(coordinates.value),
    url,
    file: target === '-' ? undefined : resolvePath(session.surroundings.cwd, target),
    ...received.value,
  }
  if (target === '-') return ok({ data, text: '' })
  return ok({ data, text: `${data.coordinates} is in ${data.file} (${data.sizeBytes} bytes)` })
}

/** `g:a:1.0:sources` is Gradle's, `g:a:war:1.0` Maven's form; a version begins with a digit, an extension never does. */
function withExtension(text: string): string {
  return /^[^:@]+:[^:@]+:\d[^:@]*:[^:@]+$/.test(text) ? `${text}@jar` : text
}

type Received = { readonly sizeBytes: number; readonly sha256: string; readonly sha1: string }

async function receive(
  download: Download,
  url: string,
  target: string,
  session: Session,
): Promise<Result<Received, Failure>> {
  const { cwd, stdout } = session.surroundings
  if (target === '-') return transfer(download, url, session, stdout, 'stdout')
  const path = resolvePath(cwd, target)
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString('hex')}.part`)
  const file = createWriteStream(temporary, { flags: 'wx' })
  const received = await transfer(download, url, session, file, target)
  if (received.ok) {
    try {
      await rename(temporary, path)
      return received
    } catch (error) {
      await rm(temporary, { force: true })
      return err(fileFailure(target, error))
    }
  }
  await rm(temporary, { force: true })
  return received
}

/** Copies the bytes into `sink` and holds them against the checksum that the server gives for them. */
async function transfer(
  download: Download,
  url: string,
  session: Session,
  sink: Writable,
  sinkName: string,
): Promise<Result<Received, Failure>> {
  const [sha256, sha1] = [createHash('sha256'), createHash('sha1')]
  let sizeBytes = 0
  const progress = new Progress(session, sinkName, download.sizeBytes)
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sha256.update(chunk)
      sha1.update(chunk)
      sizeBytes += chunk.length
      progress.show(sizeBytes)
      done(null, chunk)
    },
  })
  try {
    await pipeline(download.stream, measure, sink, { end: sinkName !== 'stdout' })
  } catch (error) {
    // An error of the download is got's; any other one is of the place where the bytes go.
    if (error instanceof RequestError) return err(connectionFailure(session.server.url, error))
    return err(fileFailure(sinkName, error))
  } finally {
    progress.end()
  }
  const received = { sizeBytes, sha256: sha256.digest('hex'), sha1: sha1.digest('hex') }
  return verify(received, download, url, session)
}

async function verify(
  received: Received,
  download: Download,
  url: string,
  session: Session,
): Promise<Result<Received, Failure>> {
  const damaged = (expected: string, actual: string) =>
    err(refused(`${url} arrived damaged: its checksum is ${actual}, the server says ${expected}`))
  if (download.sha256 !== undefined) {
    if (download.sha256 === received.sha256) return ok(received)
    return damaged(download.sha256, received.sha256)
  }
  const file = await session.server.read(`${url}.sha1`)
  if (!file.ok) return file
  if (file.value === undefined) {
    return err(refused(`the server has no checksum for ${url}, so it cannot be verified`))
  }
  const sha1 = parseChecksumFile(new TextDecoder().decode(file.value), 'sha1')
  if (!sha1.ok) return err(refused(`${url}.sha1 is no checksum: ${sha1.error.detail}`))
  return sha1.value === received.sha1 ? ok(received) : damaged(sha1.value, received.sha1)
}
