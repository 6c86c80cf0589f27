export type * from './admin.ts'
