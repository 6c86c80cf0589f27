import { err, type Result } from '../base/result.ts'
import type { XmlRefusal } from './xml.ts'

export type PomFacts = {
  /** Its own or its parent's; undefined when it is a property's reference. */
  readonly groupId: string | undefined
  readonly artifactId: string | undefined
  readonly version: string | undefined
  /** `jar` when the POM names none; as written when it is a property's reference. */
  readonly packaging: string
  readonly name: string | undefined
  readonly description: string | undefined
  /** Where the artifact has moved; what is undefined stays as it was. */
  readonly relocation: Relocation | undefined
}

export type Relocation = {
  readonly groupId: string | undefined
  readonly artifactId: string | undefined
  readonly version: string | undefined
  readonly message: string | undefined
}

/** A larger POM is stored and served, but not read: parsing holds up the node's only thread. */
export const POM_BYTES_MAX = 2 * 1_024 * 1_024

/** Reads what the server needs to know of a POM; no parent is fetched and no property replaced. */
export function parsePom(_bytes: Uint8Array): Result<PomFacts, XmlRefusal> {
  return err({ kind: 'malformed', detail: '' })
}
