export type {
  Action,
  Exchange,
  HttpHandler,
  Metrics,
  Principal,
  SliceContext,
} from './context.ts'
export { defineMethod, defineSlice, type Slice } from './definition.ts'
export { type LifecycleInput, type SliceState, step, workOf } from './lifecycle.ts'
export {
  formatManifest,
  MANIFEST_PATH,
  parseManifest,
  type SliceManifest,
} from './manifest.ts'
export type { Problem } from './problem.ts'
