/**
 * What clients of the control store did and saw, and whether it could have been one copy used by one client at a time.
 *
 * 1. No two writes have the same value, so a value names the write it came from.
 * 2. What was refused as unavailable did not happen and is not part of the history: if its value is ever read, no order of
 *    the rest explains it. What got no answer may have happened at any later time, or never.
 * 3. Revisions are of the whole store: a write that begins after another one has been answered has the higher one.
 */
import {
  checkLinearizability,
  type Operation,
  type SequentialModel,
  type Verdict,
} from '../sim/linearizability.ts'

export type StoreInput =
  | { readonly kind: 'get'; readonly key: string }
  | {
      readonly kind: 'put'
      readonly key: string
      readonly value: string
      readonly expected?: Expected
    }
  | { readonly kind: 'delete'; readonly key: string; readonly expected?: Expected }

/** What the client had seen of the key when it asked for the write to depend on it. */
export type Expected = 'absent' | Found

export type Found = { readonly value: string; readonly revision: number }

export type StoreOutput =
  | { readonly kind: 'found'; readonly found: Found | undefined }
  /** A deletion does not tell its revision. */
  | { readonly kind: 'written'; readonly revision: number | undefined }
  | { readonly kind: 'conflict'; readonly current: number | undefined }

export type StoreOperation = Operation<StoreInput, StoreOutput>

export type StoreVerdict =
  | Exclude<Verdict<StoreInput, StoreOutput>, { readonly kind: 'linearizable' }>
  | { readonly kind: 'linearizable'; readonly keys: number }
  | {
      readonly kind: 'revisions-disordered'
      readonly operations: readonly [StoreOperation, StoreOperation]
    }

export function checkHistory(history: readonly StoreOperation[]): StoreVerdict {
  const disorder = revisionDisorder(history)
  if (disorder !== undefined) return { kind: 'revisions-disordered', operations: disorder }
  const verdict = checkLinearizability(storeModel, history)
  if (verdict.kind !== 'linearizable') return verdict
  return { kind: 'linearizable', keys: new Set(history.map(({ input }) => input.key)).size }
}

/** One key. `revision` is undefined after a write that did not tell it; `floor` is the highest one known before. */
export type KeyState = {
  readonly value: string | undefined
  readonly revision: number | undefined
  readonly floor: number
}

export const storeModel: SequentialModel<KeyState, StoreInput, StoreOutput> = {
  initial: { value: undefined, revision: undefined, floor: 0 },
  partition: (input) => input.key,
  digest: ({ value, revision, floor }) => `${value} ${revision} ${floor}`,
  step(state, input, output) {
    if (input.kind === 'get') return output === undefined ? state : afterRead(state, output)
    const holds = isAsExpected(state, input.expected)
    if (output?.kind === 'found') return undefined
    if (output?.kind === 'conflict') {
      const isExplained = !holds && isRevision(state, output.current)
      return isExplained ? state : undefined
    }
    if (!holds) return output === undefined ? state : undefined
    const revision = output?.revision
    const floor = state.revision ?? state.floor
    if (revision !== undefined && revision <= floor) return undefined
    if (input.kind === 'put') return { value: input.value, revision, floor: revision ?? floor }
    return { value: undefined, revision: undefined, floor }
  },
}

function afterRead(state: KeyState, output: StoreOutput): KeyState | undefined {
  if (output.kind !== 'found' || output.found?.value !== state.value) return undefined
  const revision = output.found?.revision
  if (!isRevision(state, revision)) return undefined
  return revision === undefined ? state : { ...state, revision, floor: revision }
}

/** Whether the key may have this revision in this state. */
function isRevision(state: KeyState, revision: number | undefined): boolean {
  if (state.value === undefined || revision === undefined)
    return state.value === undefined && revision === undefined
  return state.revision === undefined ? revision > state.floor : revision === state.revision
}

function isAsExpected(state: KeyState, expected: Expected | undefined): boolean {
  if (expected === undefined) return true
  return state.value === (expected === 'absent' ? undefined : expected.value)
}

/** Two writes of which the one that began later has the lower revision, or both the same. */
function revisionDisorder(
  history: readonly StoreOperation[],
): [StoreOperation, StoreOperation] | undefined {
  const written = history.filter((operation) => revisionOf(operation) !== undefined)
  const byReturn = written.toSorted((a, b) => (a.returned ?? 0) - (b.returned ?? 0))
  let highest: StoreOperation | undefined
  let next = 0
  for (const operation of written.toSorted((a, b) => a.called - b.called)) {
    for (;;) {
      const before = byReturn[next]
      if (before?.returned === undefined || before.returned >= operation.called) break
      if (highest === undefined || revision(before) > revision(highest)) highest = before
      next++
    }
    if (highest !== undefined && revision(operation) <= revision(highest))
      return [highest, operation]
  }
  const byRevision = written.toSorted((a, b) => revision(a) - revision(b))
  const twin = byRevision.findIndex(
    (each, at) => revisionOf(byRevision[at + 1]) === revisionOf(each),
  )
  const [first, second] = byRevision.slice(twin, twin + 2)
  return twin < 0 || first === undefined || second === undefined ? undefined : [first, second]
}

function revisionOf(operation: StoreOperation | undefined): number | undefined {
  return operation?.output?.kind === 'written' ? operation.output.revision : undefined
}

function revision(operation: StoreOperation): number {
  return revisionOf(operation) ?? 0
}
