export * from './planner.ts'
export * from './table.ts'
export * from './transition.ts'
