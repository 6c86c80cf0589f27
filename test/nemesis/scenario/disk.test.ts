/** What may become of a node's disk while the others go on (scenarios 23, 24, 25, 27 of the list). */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { trial } from './trial.ts'

const THREE = ['n1', 'n2', 'n3']

test('a node that returns with an empty disk is refused until it is added as a new one', () =>
  trial(THREE, async ({ arena, commits }) => {
    const node = arena.node('n2')
    await node.kill()
    await rm(node.data, { recursive: true })
    node.launch()
    expect((await node.ends()).code).toBe(1)
    expect(node.logTail()).toMatch(/aether cluster remove n2[\s\S]*aether cluster add n2/)
    await commits(20)
    await arena.cluster.empty('n2')
    node.launch()
    await arena.remove('n2', 'n1')
    await arena.admit('n2', 'n3')
  }))

test('a node that returns with an older image of its disk stops and says so', () =>
  trial(THREE, async ({ arena, commits }) => {
    const node = arena.node('n3')
    const image = join(arena.directory, 'image')
    await node.stop()
    await node.saveData(image)
    await node.start()
    await node.ready()
    await commits(100)
    await node.kill()
    await node.restoreData(image)
    node.launch()
    expect((await node.ends()).code).toBe(1)
    expect(node.logTail()).toContain('aether cluster remove n3')
    await commits(20)
    await arena.cluster.empty('n3')
    node.launch()
    await arena.remove('n3', 'n1')
    await arena.admit('n3', 'n2')
  }))

test('nodes that are lost for good are replaced one by one', () =>
  trial(THREE, async ({ arena, commits }) => {
    for (const [lost, substitute, through] of [
      ['n1', 'n4', 'n2'],
      ['n2', 'n5', 'n3'],
      ['n3', 'n6', 'n4'],
    ] as const) {
      await arena.node(lost).kill()
      await arena.remove(lost, through)
      const node = await arena.cluster.prepareJoiner(substitute)
      node.launch()
      await arena.admit(substitute, through)
      await node.ready()
      await commits(20)
    }
    expect(arena.members).toEqual(['n4', 'n5', 'n6'])
  }))

test('a node that was away for longer than the others keep gets a snapshot, also when it is killed on the way', () =>
  trial(THREE, async ({ arena, outdate }) => {
    const node = arena.node('n1')
    await node.kill()
    await outdate('n2')
    // Killed at ever later moments, of which some lie between its first fetch and the end of the installation.
    for (const afterMs of [150, 250, 350, 450, 600]) {
      node.launch()
      await sleep(afterMs)
      await node.kill()
    }
    await node.start()
    await node.ready()
    const { slot } = await arena.status('n2')
    await arena.until('n1', (status) => status.slot >= slot)
    expect(await arena.metric('aether_consensus_snapshots_total')).toBeGreaterThan(0)
  }))
