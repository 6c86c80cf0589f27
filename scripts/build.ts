/**
 * Bundles each infrastructure service into `lib/infra/<artifact>-<version>.jar`: a manifest that makes it a slice, and one
 * module without imports other than Node's own. Jars are reproducible: equal sources give equal bytes.
 */
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { ZipFile } from 'yazl'
import { formatManifest, MANIFEST_PATH } from '../src/slice/index.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const target = `${root}lib/infra`
const quiet = process.argv.includes('--quiet')

/** Any fixed moment: the time of the build must not change the jar's digest. */
const EPOCH = new Date(Date.UTC(2020, 0, 1))

const services = [{ artifactId: 'artifact-repo', entry: 'src/maven/driver.ts' }]

const { version } = JSON.parse(await readFile(`${root}package.json`, 'utf8')) as { version: string }
await mkdir(target, { recursive: true })
const built = new Set<string>()
for (const { artifactId, entry } of services) {
  const jar = `${artifactId}-${version}.jar`
  await writeJar(`${target}/${jar}`, artifactId, await bundle(entry))
  built.add(jar)
  if (!quiet) process.stdout.write(`lib/infra/${jar}\n`)
}
for (const name of await readdir(target)) {
  if (name.endsWith('.jar') && !built.has(name)) await rm(`${target}/${name}`)
}

async function bundle(entry: string): Promise<Uint8Array> {
  const result = await build({
    entryPoints: [`${root}${entry}`],
    absWorkingDir: root,
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node26',
    // CommonJS packages ask for Node's modules through require, which an ES module has to make for itself.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    legalComments: 'inline',
  })
  const [file] = result.outputFiles
  if (file === undefined) throw new Error(`${entry} gave no output`)
  return file.contents
}

/** Written under another name and renamed, since several processes may build at once. */
async function writeJar(path: string, artifactId: string, module: Uint8Array): Promise<void> {
  const main = `${artifactId}.mjs`
  const manifest = formatManifest({
    groupId: 'dev.aether.infra',
    artifactId,
    version,
    main,
    isolation: 'inline',
  })
  const zip = new ZipFile()
  zip.addBuffer(Buffer.from(manifest), MANIFEST_PATH, { mtime: EPOCH })
  zip.addBuffer(Buffer.from(module), main, { mtime: EPOCH })
  zip.end()
  const part = `${path}.${process.pid}.part`
  await pipeline(zip.outputStream, createWriteStream(part))
  await rename(part, path)
}
