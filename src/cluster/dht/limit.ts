import { assert } from '../../base/assert.ts'
import { utf8 } from '../../base/bytes.ts'
import {
  KEY_BYTES_MAX,
  type MapOperation,
  OPERATIONS_MAX,
  VALUE_BYTES_MAX,
  WRITE_BYTES_MAX,
} from '../../base/port.ts'
import type { MapWrite } from './effect.ts'

/** Request ids are kept in memory with every retained record; a UUID with some room. */
const REQUEST_ID_BYTES_MAX = 128

/**
 * A key the store can hold. Text that is not well-formed UTF-16 has no bytes of its own in UTF-8,
 * so that two such keys could become one.
 */
export function assertKey(key: string): void {
  assert(key.isWellFormed(), 'a key with half a surrogate pair')
  assert(sizeWithin(key, KEY_BYTES_MAX), `a key of more than ${KEY_BYTES_MAX} bytes`)
}

/** The limits of `MapSpace.write`; to exceed them is a bug of the caller. */
export function assertWrite({ partitionKey, operations, requestId }: MapWrite): void {
  assertKey(partitionKey)
  assert(requestId.length > 0 && requestId.isWellFormed(), 'a write without a proper request id')
  assert(sizeWithin(requestId, REQUEST_ID_BYTES_MAX), `a request id over ${REQUEST_ID_BYTES_MAX}`)
  assert(operations.length > 0, 'a write without operations')
  assert(operations.length <= OPERATIONS_MAX, `a write of more than ${OPERATIONS_MAX} operations`)
  for (const operation of operations) assertOperation(operation)
  const sizeBytes = operations.reduce((sum, operation) => sum + sizeOf(operation), 0)
  assert(sizeBytes <= WRITE_BYTES_MAX, `a write of more than ${WRITE_BYTES_MAX} bytes`)
  const changed = operations.filter(({ kind }) => kind !== 'check').map(({ sortKey }) => sortKey)
  assert(new Set(changed).size === changed.length, 'a write that changes an entry twice')
}

function assertOperation(operation: MapOperation): void {
  assertKey(operation.sortKey)
  if (operation.kind !== 'put') return
  assert(operation.value.length <= VALUE_BYTES_MAX, `a value of more than ${VALUE_BYTES_MAX} bytes`)
}

function sizeOf(operation: MapOperation): number {
  const value = operation.kind === 'put' ? operation.value.length : 0
  return utf8(operation.sortKey).length + value
}

function sizeWithin(text: string, bytesMax: number): boolean {
  return text.length * 3 <= bytesMax || utf8(text).length <= bytesMax
}
