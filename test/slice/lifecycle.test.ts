import { expect, test } from 'vitest'
import { type LifecycleInput, type SliceState, step, workOf } from '../../src/slice/index.ts'

function walk(from: SliceState, ...inputs: LifecycleInput[]): SliceState | undefined {
  return inputs.reduce<SliceState | undefined>(
    (state, input) => (state === undefined ? undefined : step(state, input)),
    from,
  )
}

test('a slice goes from its jar to ACTIVE and back', () => {
  expect(walk('LOAD', 'begin', 'done', 'activate', 'begin', 'done')).toBe('ACTIVE')
  expect(walk('ACTIVE', 'deactivate', 'begin', 'done', 'unload', 'begin')).toBe('UNLOADING')
})

test('failing work leads to FAILED, which only unloading leaves', () => {
  for (const state of ['LOADING', 'ACTIVATING', 'DEACTIVATING', 'UNLOADING'] as const) {
    expect(step(state, 'failed')).toBe('FAILED')
  }
  expect(step('FAILED', 'activate')).toBeUndefined()
  expect(step('FAILED', 'unload')).toBe('UNLOAD')
})

test('a slice that was not loaded cannot be activated', () => {
  expect(step('LOAD', 'activate')).toBeUndefined()
  expect(step('LOADING', 'activate')).toBeUndefined()
})

test('exactly the transitional states have work, each with a time limit', () => {
  const states: SliceState[] = ['LOAD', 'LOADING', 'LOADED', 'ACTIVATE', 'ACTIVATING', 'ACTIVE']
  states.push('DEACTIVATE', 'DEACTIVATING', 'FAILED', 'UNLOAD', 'UNLOADING')
  expect(states.filter((state) => (workOf(state)?.limitMs ?? 0) > 0)).toEqual(
    states.filter((state) => state.endsWith('ING')),
  )
})
