import { err, type Result } from '../base/result.ts'
import type { Metadata } from './metadata.ts'
import type { XmlRefusal } from './xml.ts'

/** The bytes of a `maven-metadata.xml`: equal metadata give equal bytes. */
export function renderMetadata(_metadata: Metadata): Uint8Array {
  return new Uint8Array()
}

/** Reads a `maven-metadata.xml` that came from outside: a client's upload, another repository. */
export function parseMetadata(_bytes: Uint8Array): Result<Metadata, XmlRefusal> {
  return err({ kind: 'malformed', detail: '' })
}
