import { ok, type Result } from '../base/result.ts'
import { childrenOf, parseXml, textOf, type XmlElement, type XmlRefusal } from './xml.ts'

/** Reads what the server needs to know of a POM. No parent is fetched and no property replaced. */
export function parsePom(bytes: Uint8Array): Result<PomFacts, XmlRefusal> {
  const document = parseXml(bytes, { root: 'project', bytesMax: POM_BYTES_MAX, children: READ })
  if (!document.ok) return document
  const project = document.value
  const [parent = ''] = childrenOf(project, 'parent')
  return ok({
    groupId: literal(textOf(project, 'groupId') ?? textOf(parent, 'groupId')),
    artifactId: literal(textOf(project, 'artifactId')),
    version: literal(textOf(project, 'version') ?? textOf(parent, 'version')),
    packaging: clip(textOf(project, 'packaging')) ?? 'jar',
    name: clip(textOf(project, 'name')),
    description: clip(textOf(project, 'description')),
    relocation: parseRelocation(project),
  })
}

export type PomFacts = {
  /** Its own or its parent's. Undefined when missing or made of properties, as are artifactId and version. */
  readonly groupId: string | undefined
  readonly artifactId: string | undefined
  readonly version: string | undefined
  /** `jar` when the POM names none; as written when made of properties. At most 1,024 characters, as are the next two. */
  readonly packaging: string
  readonly name: string | undefined
  readonly description: string | undefined
  /** Where the artifact has moved. */
  readonly relocation: Relocation | undefined
}

/** What is undefined stays as it was. */
export type Relocation = {
  readonly groupId: string | undefined
  readonly artifactId: string | undefined
  readonly version: string | undefined
  readonly message: string | undefined
}

/** A larger POM is stored and served, but not read. Those of the largest platforms have about one MiB. */
export const POM_BYTES_MAX = 2 * 1_024 * 1_024

/** The rest of a POM, which can be thousands of dependencies, says nothing here. */
const READ = [
  'parent',
  'groupId',
  'artifactId',
  'version',
  'packaging',
  'name',
  'description',
  'distributionManagement',
]

/** They are shown on pages and kept in records, which are small. */
const PROSE_LENGTH_MAX = 1_024

function parseRelocation(project: XmlElement): Relocation | undefined {
  const [distribution = ''] = childrenOf(project, 'distributionManagement')
  const [relocation] = childrenOf(distribution, 'relocation')
  if (relocation === undefined) return undefined
  return {
    groupId: literal(textOf(relocation, 'groupId')),
    artifactId: literal(textOf(relocation, 'artifactId')),
    version: literal(textOf(relocation, 'version')),
    message: clip(textOf(relocation, 'message')),
  }
}

function literal(text: string | undefined): string | undefined {
  return text?.includes('${') ? undefined : text
}

function clip(text: string | undefined): string | undefined {
  return text?.replace(/\s+/g, ' ').slice(0, PROSE_LENGTH_MAX).toWellFormed()
}
