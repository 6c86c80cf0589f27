import { assert } from '../../base/assert.ts'
import { utf8 } from '../../base/bytes.ts'
import type { RequestId } from '../../base/ids.ts'
import {
  type ControlOperation,
  type ControlPrecondition,
  KEY_BYTES_MAX,
  OPERATIONS_MAX,
} from '../../base/port.ts'

/** One write to the control state, as it is ordered among all others. */
export type ControlCommand = {
  readonly operations: readonly ControlOperation[]
  readonly preconditions: readonly ControlPrecondition[]
  readonly requestId: RequestId
}

/** Control state is in the memory of every node: of the port. */
const CONTROL_VALUE_BYTES_MAX = 64 * 1_024

/** Of a UTF-16 unit: what is short by this measure need not be encoded to know its length. */
const UTF8_BYTES_MAX = 3

/** The limits of `ControlStore.write`; to exceed them is a bug of the caller. */
export function assertCommand({ operations, preconditions, requestId }: ControlCommand): void {
  assertText(requestId, KEY_BYTES_MAX, 'request id')
  assert(requestId.length > 0, 'a write without a request id')
  assert(operations.length <= OPERATIONS_MAX, `a write of more than ${OPERATIONS_MAX} operations`)
  assert(preconditions.length <= OPERATIONS_MAX, `more than ${OPERATIONS_MAX} preconditions`)
  for (const operation of operations) {
    assertText(operation.key, KEY_BYTES_MAX, 'key')
    if (operation.kind === 'put') assertText(operation.value, CONTROL_VALUE_BYTES_MAX, 'value')
  }
  for (const { key } of preconditions) assertText(key, KEY_BYTES_MAX, 'key')
  if (operations.length < 2) return
  const keys = new Set(operations.map(({ key }) => key))
  assert(keys.size === operations.length, 'a write that changes a key twice')
}

function assertText(text: string, bytesMax: number, what: string): void {
  assert(text.isWellFormed(), `a ${what} with half a surrogate pair`)
  const isShort = text.length * UTF8_BYTES_MAX <= bytesMax
  assert(
    isShort || (text.length <= bytesMax && utf8(text).length <= bytesMax),
    `a ${what} over ${bytesMax} bytes`,
  )
}
