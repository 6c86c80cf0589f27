import { type Entry, openPromise, type ZipFile } from 'yauzl'
import { err, ok, type Result } from '../base/result.ts'
import { type Failure, fileFailure, refused } from './failure.ts'

/** A Maven project whose descriptor lies in a jar; a jar that bundles others has several. */
export type EmbeddedProject = {
  readonly groupId: string
  readonly artifactId: string
  /** Undefined when the properties do not say. */
  readonly version: string | undefined
  /** The bytes of its `pom.xml`, if that is there too. */
  readonly pom: Uint8Array | undefined
}

/** `maven-archiver` writes three short lines. */
const PROPERTIES_BYTES_MAX = 64 * 1_024

const POM_BYTES_MAX = 2 * 1_024 * 1_024

/** A jar that bundles a whole application has a few hundred. */
const DESCRIPTORS_MAX = 2_000

const DESCRIPTOR = /^META-INF\/maven\/([^/]+)\/([^/]+)\/pom\.(properties|xml)$/

/** The projects under `META-INF/maven` of a jar, in the order of the archive. Nothing else of it is read. */
export async function readEmbeddedProjects(
  path: string,
): Promise<Result<readonly EmbeddedProject[], Failure>> {
  let zip: ZipFile
  try {
    zip = await openPromise(path, { autoClose: false, lazyEntries: true })
  } catch (error) {
    if (error instanceof Error && 'code' in error) return err(fileFailure(path, error))
    return err(refused(`${path} is not a jar: ${reasonOf(error)}`))
  }
  try {
    return await readProjects(zip, path)
  } catch (error) {
    return err(refused(`${path} is damaged: ${reasonOf(error)}`))
  } finally {
    zip.close()
  }
}

type Descriptor = { groupId: string; artifactId: string; properties?: Entry; xml?: Entry }

async function readProjects(
  zip: ZipFile,
  path: string,
): Promise<Result<readonly EmbeddedProject[], Failure>> {
  const descriptors = new Map<string, Descriptor>()
  for await (const entry of zip.eachEntry()) {
    const [, groupId = '', artifactId = '', kind] = DESCRIPTOR.exec(entry.fileName) ?? []
    if (kind === undefined) continue
    const descriptor = descriptors.get(`${groupId}:${artifactId}`) ?? { groupId, artifactId }
    descriptors.set(`${groupId}:${artifactId}`, {
      ...descriptor,
      [kind]: entry,
    })
    if (descriptors.size > DESCRIPTORS_MAX) {
      return err(refused(`${path} holds more than ${DESCRIPTORS_MAX} Maven projects`))
    }
  }
  const projects: EmbeddedProject[] = []
  for (const { properties, xml, ...named } of descriptors.values()) {
    if (properties === undefined) continue
    const text = (await readEntry(zip, properties, PROPERTIES_BYTES_MAX)).toString('latin1')
    const values = parseProperties(text)
    projects.push({
      groupId: values.get('groupId') ?? named.groupId,
      artifactId: values.get('artifactId') ?? named.artifactId,
      version: values.get('version'),
      pom: xml === undefined ? undefined : await readEntry(zip, xml, POM_BYTES_MAX),
    })
  }
  return ok(projects)
}

/** The reader itself refuses an entry that unpacks to more than it announces. */
async function readEntry(zip: ZipFile, entry: Entry, bytesMax: number): Promise<Buffer> {
  if (entry.uncompressedSize > bytesMax) {
    throw new Error(`${entry.fileName} has ${entry.uncompressedSize} bytes, ${bytesMax} at most`)
  }
  const stream = await zip.openReadStreamPromise(entry)
  const chunks: Buffer[] = []
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** The lines `key=value` or `key: value`; coordinates have no escapes. */
function parseProperties(text: string): Map<string, string> {
  const lines = text.split(/\r?\n|\r/).flatMap((line) => {
    const [, key = '', value = ''] = /^\s*([^#!=:\s]+)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? []
    return value === '' ? [] : [[key, value] as const]
  })
  return new Map(lines)
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
