export * from './address.ts'
export * from './codec.ts'
export * from './count.ts'
export * from './transport.ts'
