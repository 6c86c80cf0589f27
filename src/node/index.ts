export { type StartOptions, startNode } from './start.ts'
