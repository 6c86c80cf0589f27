/**
 * The pure parts of the cluster. What lives on engines and timers is constructed by `src/node` alone, from the `.driver.ts`
 * files: `dht/map.driver.ts` and `control/local.driver.ts`.
 */
export { PARTITION_COUNT, partitionOf } from './dht/partition.ts'
