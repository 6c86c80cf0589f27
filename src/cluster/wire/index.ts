export * from './count.ts'
export * from './transport.ts'
