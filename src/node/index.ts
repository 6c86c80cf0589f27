export type { ClusterStatus } from '../cluster/membership/index.ts'
export { type StartOptions, startNode } from './start.ts'
