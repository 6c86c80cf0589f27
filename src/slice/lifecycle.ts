/**
 * The life of a slice on one node, sans-IO: the shell does the work of a transitional state and reports what came of it.
 *
 * Command states (LOAD, ACTIVATE, DEACTIVATE, UNLOAD) are wished for by whoever coordinates; the others are reported by
 * the node. A state ending in -ING is transitional and has a time limit; FAILED is left by UNLOAD only.
 */
export type SliceState =
  | 'LOAD'
  | 'LOADING'
  | 'LOADED'
  | 'ACTIVATE'
  | 'ACTIVATING'
  | 'ACTIVE'
  | 'DEACTIVATE'
  | 'DEACTIVATING'
  | 'FAILED'
  | 'UNLOAD'
  | 'UNLOADING'

export type LifecycleInput = 'begin' | 'done' | 'failed' | 'activate' | 'deactivate' | 'unload'

/** How long each kind of work may take: a jar may be large, a service opens its stores, a stop drains requests. */
const LIMITS_MS: Readonly<Partial<Record<SliceState, number>>> = {
  LOADING: 120_000,
  ACTIVATING: 60_000,
  DEACTIVATING: 30_000,
  UNLOADING: 120_000,
}

const TRANSITIONS: Readonly<
  Record<SliceState, Readonly<Partial<Record<LifecycleInput, SliceState>>>>
> = {
  LOAD: { begin: 'LOADING' },
  LOADING: { done: 'LOADED', failed: 'FAILED' },
  LOADED: { activate: 'ACTIVATE', unload: 'UNLOAD' },
  ACTIVATE: { begin: 'ACTIVATING' },
  ACTIVATING: { done: 'ACTIVE', failed: 'FAILED' },
  ACTIVE: { deactivate: 'DEACTIVATE' },
  DEACTIVATE: { begin: 'DEACTIVATING' },
  DEACTIVATING: { done: 'LOADED', failed: 'FAILED' },
  FAILED: { unload: 'UNLOAD' },
  UNLOAD: { begin: 'UNLOADING' },
  UNLOADING: { failed: 'FAILED' },
}

/** The next state, or undefined when the input does not fit the state. */
export function step(state: SliceState, input: LifecycleInput): SliceState | undefined {
  return TRANSITIONS[state][input]
}

/** How long a transitional state may last, in milliseconds; undefined for the others. */
export function limitMsOf(state: SliceState): number | undefined {
  return LIMITS_MS[state]
}
