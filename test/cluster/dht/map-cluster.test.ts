import { describe } from 'vitest'
import type { DistributedMap } from '../../../src/base/port.ts'
import type { Harness } from '../../conformance/harness.ts'
import { describeMap } from '../../conformance/map.ts'
import { MapWorld, type MapWorldOptions } from './map-world.ts'

/** The map as the node at that place serves it. */
async function resideAt(place: number, options: MapWorldOptions): Promise<Harness<DistributedMap>> {
  const world = await MapWorld.open(options)
  const harness = (): Harness<DistributedMap> => ({
    tenant: world.map(place),
    restart: async () => {
      await world.stop()
      await world.start()
      return harness()
    },
    close: () => world.stop(),
  })
  return harness()
}

describe('one map on three nodes', () => {
  describeMap('at a node that has no replica', () => resideAt(3, { replicas: [1, 2] }))
  describeMap('at a node that leads some partitions', () =>
    resideAt(2, { leader: (partition) => 1 + (partition % 3) }),
  )
})
