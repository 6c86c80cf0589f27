import { expect, test } from 'vitest'
import { a, b, Cluster, c } from './fixture.ts'

test.each([[[a]], [[a, b]], [[a, b, c]]])('%j agree on a request and answer it', (members) => {
  const cluster = new Cluster(members)
  cluster.request(a, 'client', 'hello')
  cluster.settle()
  for (const node of members) expect(cluster.applied(node)).toEqual(['hello'])
  expect(cluster.replies('client')).toMatchObject([{ outcome: { kind: 'applied', result: '1' } }])
})

test('requests to all nodes are applied in one order', () => {
  const cluster = new Cluster([a, b, c])
  for (let i = 0; i < 30; i++) cluster.request([a, b, c][i % 3]!, `client ${i}`, `command ${i}`)
  cluster.settle()
  expect(cluster.applied(a)).toHaveLength(30)
  expect(cluster.applied(b)).toEqual(cluster.applied(a))
  expect(cluster.applied(c)).toEqual(cluster.applied(a))
  expect(cluster.host(a).rabia.status().slot).toBeLessThan(20)
})
