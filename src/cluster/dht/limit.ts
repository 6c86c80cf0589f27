import { assert } from '../../base/assert.ts'
import { utf8 } from '../../base/bytes.ts'
import {
  KEY_BYTES_MAX,
  type MapOperation,
  OPERATIONS_MAX,
  VALUE_BYTES_MAX,
  WRITE_BYTES_MAX,
} from '../../base/port.ts'
import type { MapWrite } from './replica/index.ts'

/** Request ids are kept with every retained record; a UUID with some room. */
export const REQUEST_ID_BYTES_MAX = 128

/** To exceed the limits of a key is a bug of the caller. */
export function assertKey(key: string): void {
  const fault = keyFault(key)
  assert(fault === undefined, fault ?? '')
}

/** The same of `MapSpace.write`. */
export function assertWrite(write: MapWrite): void {
  const fault = writeFault(write)
  assert(fault === undefined, fault ?? '')
}

/** A key that the store can hold. */
export function isKey(key: string): boolean {
  return keyFault(key) === undefined
}

/** What a space may be called. */
export function isSpaceName(name: string): boolean {
  return /^[a-z0-9-]{1,64}$/.test(name)
}

/** Which limit of `MapSpace.write` the write exceeds. */
export function writeFault(write: Omit<MapWrite, 'space'>): string | undefined {
  const { partitionKey, operations, requestId } = write
  if (!requestId.isWellFormed() || requestId === '') return 'a write without a proper request id'
  if (!isWithin(requestId, REQUEST_ID_BYTES_MAX)) return `a request id over ${REQUEST_ID_BYTES_MAX}`
  if (operations.length === 0) return 'a write without operations'
  if (operations.length > OPERATIONS_MAX) return `a write of more than ${OPERATIONS_MAX} operations`
  const changed = operations.filter(({ kind }) => kind !== 'check').map(({ sortKey }) => sortKey)
  if (new Set(changed).size < changed.length) return 'a write that changes an entry twice'
  return keyFault(partitionKey) ?? operationFault(operations)
}

function operationFault(operations: readonly MapOperation[]): string | undefined {
  let valueBytes = 0
  for (const operation of operations) {
    const fault = keyFault(operation.sortKey)
    if (fault !== undefined) return fault
    const size = operation.kind === 'put' ? operation.value.length : 0
    if (size > VALUE_BYTES_MAX) return `a value of more than ${VALUE_BYTES_MAX} bytes`
    valueBytes += size
  }
  const keys = operations.map(({ sortKey }) => sortKey).join('')
  if (isWithin(keys, WRITE_BYTES_MAX - valueBytes)) return undefined
  return `a write of more than ${WRITE_BYTES_MAX} bytes`
}

/**
 * Text that is not well-formed UTF-16 has no bytes of its own in UTF-8, so that two such keys could
 * become one.
 */
function keyFault(key: string): string | undefined {
  if (!key.isWellFormed()) return 'a key with half a surrogate pair'
  return isWithin(key, KEY_BYTES_MAX) ? undefined : `a key of more than ${KEY_BYTES_MAX} bytes`
}

function isWithin(text: string, bytesMax: number): boolean {
  return text.length * 3 <= bytesMax || utf8(text).length <= bytesMax
}
