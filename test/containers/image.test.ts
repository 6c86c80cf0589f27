import {
  GenericContainer,
  Network,
  type StartedNetwork,
  type StartedTestContainer,
  Wait,
} from 'testcontainers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sendRequest } from '../fixture/cluster.ts'
import { IMAGE } from './cluster.ts'

let network: StartedNetwork
let container: StartedTestContainer

beforeAll(async () => {
  // Its own, for the engine may have no other.
  network = await new Network().start()
  container = await new GenericContainer(IMAGE)
    .withNetwork(network)
    .withExposedPorts(8080)
    .withResourcesQuota({ memory: 0.5, cpu: 1 })
    .withWaitStrategy(Wait.forHttp('/health/ready', 8080))
    .start()
})

afterAll(async () => {
  await container?.stop()
  await network?.stop()
})

test('runs as a user without rights, who owns the data directory alone', async () => {
  const program = `
    const { accessSync, constants, statSync } = require('node:fs')
    const mayWrite = (path) => { try { accessSync(path, constants.W_OK); return true } catch { return false } }
    const paths = ['/var/lib/aether', '/etc/aether', '/opt/aether', '/usr/bin/node']
    console.log(JSON.stringify({ user: process.getuid(), writable: paths.filter(mayWrite) }))`
  const { output } = await container.exec(['node', '-e', program])
  expect(JSON.parse(output)).toEqual({ user: 10_001, writable: ['/var/lib/aether'] })
})

test('has the command line, on the Node that it brings', async () => {
  const { output, exitCode } = await container.exec(['aether', 'version'])
  expect(output).toMatch(/^aether \d+\.\d+\.\d+ \(Node 26\./)
  expect(exitCode).toBe(0)
})

test('lets nobody in without a token', async () => {
  const url = `http://${container.getHost()}:${container.getMappedPort(8080)}/repository/releases/`
  expect((await sendRequest(url)).status).toBe(401)
})
