/**
 * The life of a slice on one node, sans-IO: the shell performs the effect and reports what came of it.
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

/** What the shell does when the state is entered; the time limit in milliseconds is how long it may take. */
export type LifecycleWork = {
  readonly kind: 'load' | 'start' | 'stop' | 'release'
  readonly limitMs: number
}

/** How long each kind of work may take: a jar may be large, a service opens its stores, a stop drains requests. */
const WORK: Readonly<Partial<Record<SliceState, LifecycleWork>>> = {
  LOADING: { kind: 'load', limitMs: 120_000 },
  ACTIVATING: { kind: 'start', limitMs: 60_000 },
  DEACTIVATING: { kind: 'stop', limitMs: 30_000 },
  UNLOADING: { kind: 'release', limitMs: 120_000 },
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

/** The work that entering `state` asks for, if any. */
export function workOf(state: SliceState): LifecycleWork | undefined {
  return WORK[state]
}
