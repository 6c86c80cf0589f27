import type { Result } from '../base/result.ts'
import type { Metadata } from './metadata.ts'
import { parseMetadata } from './metadata-xml.ts'
import type { XmlRefusal } from './xml.ts'

/** What a client's metadata upload claims. Nothing of it is true before the records say so. */
export type MetadataHint = Metadata

/** Reads the metadata that a client uploaded. */
export function parseMetadataHint(bytes: Uint8Array): Result<MetadataHint, XmlRefusal> {
  return parseMetadata(bytes)
}
