/**
 * Builds the container image `aether:<version>` from what is on this machine and from nothing else: the Node that runs
 * this with the libraries that it loads, the packages that `npm ci` has brought, and what `npm run build` has made.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Of the one user of the image; any number that is nobody's on the machines that run it. */
const USER = 10_001

/** Where the program is in the image. */
const HOME = 'opt/aether'

/** Where names of machines are resolved by libraries of their own: glibc before 2.34 loads them only when it needs them. */
const NAME_SERVICE = ['libnss_files.so.2', 'libnss_dns.so.2', 'libresolv.so.2']

/** What packages bring along and no process loads. */
const UNUSED = /\.(d\.[cm]?ts|map|md)$|^node_modules\/classic-level\/deps\//

/** Layers from the one that changes least to the one that changes most. */
const DOCKERFILE = `FROM scratch
COPY runtime /
COPY packages /
COPY program /
COPY --chown=${USER}:${USER} data /var/lib/aether
ENV PATH=/usr/bin AETHER_HOST=0.0.0.0 AETHER_DATA=/var/lib/aether
USER ${USER}:${USER}
WORKDIR /etc/aether
VOLUME /var/lib/aether
EXPOSE 8080 8090
ENTRYPOINT ["aether"]
CMD ["start"]
`

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const quiet = process.argv.includes('--quiet')

if (process.platform !== 'linux') {
  refuse('the image runs the Node of this machine, which has to be Linux.')
} else if (spawnSync('docker', ['version'], { stdio: 'ignore' }).status !== 0) {
  refuse(
    'no Docker engine is reachable: `docker version` says why. Debian has one in the package\n' +
      '  docker.io; DOCKER_HOST names one that is elsewhere.',
  )
} else {
  buildImage(`aether:${version}`)
}

function buildImage(image: string): void {
  const context = mkdtempSync(join(tmpdir(), 'aether-image-'))
  try {
    const packages = placePackages(join(context, 'packages', HOME))
    placeRuntime(join(context, 'runtime'), packages)
    placeProgram(join(context, 'program'))
    mkdirSync(join(context, 'data'))
    writeFileSync(join(context, 'Dockerfile'), DOCKERFILE)
    // Piped, so that its standard error is seen when it fails, and then only.
    execFileSync('docker', ['build', '--quiet', '--tag', image, context], { stdio: 'pipe' })
  } finally {
    rmSync(context, { recursive: true })
  }
  if (!quiet) process.stdout.write(`${image}\n`)
}

/** The packages that a node needs, as the lockfile tells, but for the Node among them; gives their native modules. */
function placePackages(to: string): string[] {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; bin?: Record<string, string> }>
  }
  const needed = Object.keys(packages).filter(
    (path) =>
      path !== '' && packages[path]?.dev !== true && packages[path]?.bin?.['node'] === undefined,
  )
  const files = needed
    .flatMap((path) => globSync(`${path}/**`, { cwd: ROOT, exclude: [`${path}/node_modules`] }))
    .filter((path) => statSync(join(ROOT, path)).isFile())
    .filter((path) => !UNUSED.test(path) && (!path.endsWith('.node') || isOfThisPlatform(path)))
  for (const path of files) place(join(ROOT, path), join(to, path))
  return files.filter((path) => path.endsWith('.node')).map((path) => join(ROOT, path))
}

/** Native modules lie in a folder of their platform: `linux-x64`, `msgpackr-extract-linux-x64`. */
function isOfThisPlatform(path: string): boolean {
  return path.includes(`linux-${process.arch}/`) && !path.includes('musl')
}

/** This Node, whatever it and the native modules load, and the few files by which glibc knows user and names. */
function placeRuntime(to: string, nativeModules: readonly string[]): void {
  place(process.execPath, join(to, 'usr/bin/node'))
  const loaded = [process.execPath, ...nativeModules].flatMap(librariesOf)
  const libc = loaded.find((path) => path.endsWith('/libc.so.6'))
  const onDemand = NAME_SERVICE.map((name) => join(dirname(libc ?? '/'), name))
  for (const path of new Set([...loaded, ...onDemand.filter(existsSync)])) {
    place(path, join(to, path))
  }
  write(join(to, 'etc/passwd'), `aether:x:${USER}:${USER}::/var/lib/aether:\n`)
  write(join(to, 'etc/group'), `aether:x:${USER}:\n`)
  write(join(to, 'etc/nsswitch.conf'), 'hosts: files dns\n')
}

/** The paths that the dynamic loader finds, itself included. */
function librariesOf(binary: string): string[] {
  const output = execFileSync('ldd', [binary], { encoding: 'utf8' })
  if (output.includes('not found')) throw new Error(`${binary} lacks libraries:\n${output}`)
  return [...output.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path)
}

/** The command of the image is the one of the package; an image without a shell has no `env` either. */
function placeProgram(to: string): void {
  const home = join(to, HOME)
  const files = ['package.json', ...globSync(['dist/**/*.js', 'lib/infra/*.jar'], { cwd: ROOT })]
  for (const path of files) place(join(ROOT, path), join(home, path))
  const launcher = readFileSync(join(ROOT, 'bin/aether.mjs'), 'utf8')
  write(join(home, 'bin/aether.mjs'), launcher.replace(/^#!.*/, '#!/usr/bin/node'), 0o755)
  mkdirSync(join(to, 'usr/bin'), { recursive: true })
  symlinkSync(`/${HOME}/bin/aether.mjs`, join(to, 'usr/bin/aether'))
}

/** Readable for the user of the image, whatever it is for others on this machine. */
function place(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, to)
  chmodSync(to, (statSync(from).mode & 0o100) === 0 ? 0o644 : 0o755)
}

function write(to: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(to), { recursive: true })
  writeFileSync(to, text)
  chmodSync(to, mode)
}

function refuse(reason: string): void {
  process.stderr.write(`image: ${reason}\n`)
  process.exitCode = 1
}
