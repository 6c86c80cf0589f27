import { expect, test } from 'vitest'
import { a, b, Cluster, c, d, e } from './fixture.ts'

test('a cluster grows from one node to five and back to one, one node at a time', () => {
  const all = [a, b, c, d, e]
  const cluster = new Cluster([a], { nodes: all })
  cluster.settle()
  const sizes = [2, 3, 4, 5, 4, 3, 2, 1]
  for (const [i, size] of sizes.entries()) {
    cluster.request(a, `admin ${i}`, `members ${all.slice(0, size).join()}`)
    cluster.request(all[size - 1]!, `client ${i}`, `command ${i}`)
    cluster.heal()
    expect(cluster.host(a).rabia.status().epoch).toBe(i + 2)
    expect(cluster.replies(`client ${i}`)).toHaveLength(1)
  }
  for (let i = 0; i < 100; i++) {
    cluster.tick()
    cluster.settle()
  }
  for (const node of all) expect(cluster.applied(node)).toEqual(cluster.applied(a))
})

test('the electorate of a slot is that of the slots before it, also after a restart', () => {
  const cluster = new Cluster([a, b], { nodes: [a, b, c] })
  cluster.settle()
  cluster.request(a, 'admin', 'members a,b,c')
  cluster.heal()
  cluster.crash(b)
  cluster.request(a, 'client', 'two of three')
  cluster.heal()
  expect(cluster.applied(c)).toEqual(['members a,b,c', 'two of three'])
  for (const node of [a, c]) cluster.restart(node)
  cluster.heal()
  cluster.request(c, 'other', 'still two of three')
  cluster.heal()
  expect(cluster.applied(a)).toContain('still two of three')
})

test('a removed node has no vote', () => {
  const cluster = new Cluster([a, b, c])
  cluster.settle()
  cluster.request(a, 'admin', 'members a,b')
  cluster.heal()
  cluster.crash(b)
  cluster.request(a, 'client', 'hello')
  for (let i = 0; i < 20; i++) {
    cluster.tick()
    cluster.settle()
  }
  expect(cluster.applied(a)).toEqual(['members a,b'])
})
