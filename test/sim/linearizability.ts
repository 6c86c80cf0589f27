/**
 * Decides whether a history of concurrent operations could have happened one at a time, each between its call and its return
 * (Herlihy and Wing's linearizability), by the search of Wing and Gong with Lowe's memoisation of visited configurations.
 * Histories are split by the model's partitions first, which is sound because linearizability is local.
 */

/** `output` and `returned` are absent when the outcome is unknown: the operation may take effect at any later time, or never. */
export type Operation<Input, Output> = {
  readonly input: Input
  readonly called: number
  readonly returned?: number
  readonly output?: Output
}

/** What a single copy, used by one client at a time, would do. States are values: `step` does not change its argument. */
export type SequentialModel<State, Input, Output> = {
  readonly initial: State
  /** Operations of different partitions never affect each other. */
  partition(input: Input): string
  /** The state afterwards, or undefined when `output` is impossible in `state`. An absent output is always possible. */
  step(state: State, input: Input, output: Output | undefined): State | undefined
  /** Equal for equal states. */
  digest(state: State): string
}

export type Verdict<Input, Output> =
  | { readonly kind: 'linearizable' }
  | {
      readonly kind: 'violation'
      readonly partition: string
      readonly operations: readonly Operation<Input, Output>[]
    }
  /** The search was given up; to be treated as a failure of the test, since it proves nothing. */
  | { readonly kind: 'undecided'; readonly partition: string }

/** Configurations visited per partition before giving up; histories of the simulator need a few thousand. */
const CONFIGURATIONS_MAX = 2_000_000

export function checkLinearizability<State, Input, Output>(
  model: SequentialModel<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
): Verdict<Input, Output> {
  const partitions = Map.groupBy(history, (operation) => model.partition(operation.input))
  for (const [partition, operations] of partitions) {
    const found = search(model, operations)
    if (found === 'undecided') return { kind: 'undecided', partition }
    if (!found) return { kind: 'violation', partition, operations }
  }
  return { kind: 'linearizable' }
}

/** A doubly linked list of calls and returns in the order of time, from which linearized operations are lifted. */
type Entry = {
  readonly operation: number
  readonly isCall: boolean
  previous: Entry | undefined
  next: Entry | undefined
  /** Of a call: its return, if there is one. */
  match: Entry | undefined
}

function search<State, Input, Output>(
  model: SequentialModel<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
): boolean | 'undecided' {
  const head = entries(operations)
  const done = new Uint16Array(Math.ceil(operations.length / 16))
  const visited = new Set<string>()
  const taken: { readonly entry: Entry; readonly state: State }[] = []
  let pending = operations.filter((operation) => operation.returned !== undefined).length
  let state = model.initial
  let entry = head.next
  while (pending > 0) {
    if (entry?.isCall) {
      const operation = operations[entry.operation]!
      const next = model.step(state, operation.input, operation.output)
      if (next !== undefined) {
        flip(done, entry.operation)
        const configuration = `${String.fromCharCode(...done)}${model.digest(next)}`
        if (!visited.has(configuration)) {
          if (visited.size === CONFIGURATIONS_MAX) return 'undecided'
          visited.add(configuration)
          taken.push({ entry, state })
          state = next
          lift(entry)
          if (entry.match !== undefined) pending--
          entry = head.next
          continue
        }
        flip(done, entry.operation)
      }
      entry = entry.next
      continue
    }
    // A return whose operation has not taken effect: undo the last choice and try the one after it.
    const last = taken.pop()
    if (last === undefined) return false
    flip(done, last.entry.operation)
    state = last.state
    unlift(last.entry)
    if (last.entry.match !== undefined) pending++
    entry = last.entry.next
  }
  return true
}

function entries(operations: readonly Operation<unknown, unknown>[]): Entry {
  const events: { time: number; entry: Entry }[] = []
  for (const [index, { called, returned }] of operations.entries()) {
    const call = newEntry(index, true)
    events.push({ time: called, entry: call })
    if (returned === undefined) continue
    call.match = newEntry(index, false)
    events.push({ time: returned, entry: call.match })
  }
  // At equal times a call comes first: the operations overlap.
  events.sort((a, b) => a.time - b.time || Number(b.entry.isCall) - Number(a.entry.isCall))
  const head = newEntry(-1, false)
  let last = head
  for (const { entry } of events) {
    last.next = entry
    entry.previous = last
    last = entry
  }
  return head
}

function newEntry(operation: number, isCall: boolean): Entry {
  return { operation, isCall, previous: undefined, next: undefined, match: undefined }
}

function lift(call: Entry): void {
  unlink(call)
  if (call.match !== undefined) unlink(call.match)
}

function unlift(call: Entry): void {
  if (call.match !== undefined) relink(call.match)
  relink(call)
}

function unlink(entry: Entry): void {
  if (entry.previous !== undefined) entry.previous.next = entry.next
  if (entry.next !== undefined) entry.next.previous = entry.previous
}

function relink(entry: Entry): void {
  if (entry.previous !== undefined) entry.previous.next = entry
  if (entry.next !== undefined) entry.next.previous = entry
}

function flip(bits: Uint16Array, index: number): void {
  bits[index >> 4]! ^= 1 << (index & 15)
}
