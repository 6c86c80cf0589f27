import { readFileSync } from 'node:fs'
import type { Report } from './session.ts'

/** `aether version`: which Aether and which Node this is. */
export function version(): Report {
  const manifest = new URL('../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
  const data = {
    version,
    node: process.versions.node,
    platform: process.platform,
    arch: process.arch,
  }
  return { data, text: `aether ${version} (Node ${data.node}, ${data.platform}-${data.arch})` }
}
