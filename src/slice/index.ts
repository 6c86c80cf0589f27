export type {
  Action,
  Exchange,
  HttpHandler,
  Log,
  LogFields,
  Metrics,
  Principal,
  SliceContext,
  SliceIdentity,
} from './context.ts'
export { defineMethod, defineSlice, type Method, type Schema, type Slice } from './definition.ts'
export { type LifecycleInput, type SliceState, step, workOf } from './lifecycle.ts'
export {
  formatManifest,
  MANIFEST_PATH,
  type ManifestRefusal,
  parseManifest,
  type SliceManifest,
} from './manifest.ts'
export type { Problem } from './problem.ts'
