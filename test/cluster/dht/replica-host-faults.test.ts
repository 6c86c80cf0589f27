import { expect, test } from 'vitest'
import type { RequestId } from '../../../src/base/ids.ts'
import { Random } from '../../sim/random.ts'
import { eventually, HostWorld } from './host-world.ts'

const ROWS = [3, 4, 5]
const STEPS = 60
const CLIENTS = 6

/** Seconds of a client's patience, in which the test finds a node that serves. */
const PATIENCE_MS = 10_000

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

test(`what is answered stays while nodes die, links are cut and frames are lost (SEED=${SEED})`, async () => {
  const random = new Random(SEED)
  const world = await HostWorld.start(ROWS, SEED)
  world.network.delayMs = 3
  const campaign = new Campaign(world, random.split('clients'))
  const clients = Array.from({ length: CLIENTS }, (_, i) => campaign.client(i))
  for (let step = 0; step < STEPS; step++) {
    await new Promise((resolve) => setTimeout(resolve, random.int(1, 40)))
    await disturb(world, random)
  }
  await heal(world, random)
  campaign.isOver = true
  await Promise.all(clients)
  for (const row of ROWS) await converged(world, row)
  expect(campaign.acknowledged.size).toBeGreaterThan(STEPS)
  for (const [name, { row, key, value }] of campaign.acknowledged) {
    for (const place of [1, 2, 3]) {
      expect([name, place, world.node(place).shown(row, key)]).toEqual([name, place, value])
    }
  }
  expect(world.network.malformed).toBe(0)
  await world.close()
}, 60_000)

type Written = { readonly row: number; readonly key: string; readonly value: string }

/** Clients that write each key once, at whichever node leads, and repeat a request until it is answered. */
class Campaign {
  readonly acknowledged = new Map<string, Written>()
  isOver = false
  readonly #world: HostWorld
  readonly #random: Random

  constructor(world: HostWorld, random: Random) {
    this.#world = world
    this.#random = random
  }

  async client(number: number): Promise<void> {
    for (let count = 0; !this.isOver; count++) {
      const written = {
        row: this.#random.pick(ROWS),
        key: `k${number}/${count}`,
        value: `${count}`,
      }
      const name = `${number} ${count}`
      if (await this.#write(name as RequestId, written)) this.acknowledged.set(name, written)
    }
  }

  async #write(requestId: RequestId, { row, key, value }: Written): Promise<boolean> {
    const end = performance.now() + PATIENCE_MS
    while (performance.now() < end) {
      const node = this.#world.find(this.#random.int(1, 3))
      const lost = new Promise<void>((resolve) => setTimeout(resolve, 500))
      const outcome = await Promise.race([node?.write(row, key, value, requestId), lost])
      if (typeof outcome === 'object' && outcome.ok) return true
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    return false
  }
}

async function disturb(world: HostWorld, random: Random): Promise<void> {
  const place = random.int(1, 3)
  const chance = random.next()
  if (chance < 0.2 && world.isWhole) {
    world.kill(place)
    for (const row of ROWS) world.elect(row, (place % 3) + 1)
  } else if (chance < 0.5) await reopen(world)
  else if (chance < 0.65) {
    world.network.cut(world.idOf(place), world.idOf((place % 3) + 1))
  } else if (chance < 0.75) world.network.loss = random.next() * 0.3
  else if (chance < 0.9) world.network.healAll()
  else if (world.find(place) !== undefined) world.elect(random.pick(ROWS), place)
}

async function reopen(world: HostWorld): Promise<void> {
  for (const id of world.ids) {
    if (world.find(world.ids.indexOf(id) + 1) === undefined) await world.open(id)
  }
}

async function heal(world: HostWorld, random: Random): Promise<void> {
  await reopen(world)
  world.network.healAll()
  for (const row of ROWS) world.elect(row, random.int(1, 3))
}

function converged(world: HostWorld, row: number): Promise<void> {
  return eventually(async () => {
    const [first, ...others] = await Promise.all(
      [1, 2, 3].map((place) => world.node(place).dump(row)),
    )
    for (const other of others) expect(other).toEqual(first)
  }, 10_000)
}
