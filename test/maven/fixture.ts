import fc from 'fast-check'
import { utf8 } from '../../src/base/bytes.ts'
import type { NodeId, RequestId } from '../../src/base/ids.ts'
import type { BlobStore } from '../../src/base/port.ts'
import { createBlobStore } from '../../src/cluster/dht/blob/blob-store.driver.ts'
import { openReplicatedMap } from '../../src/cluster/dht/map/map.driver.ts'
import type { Coordinates } from '../../src/maven/coordinates.ts'
import { Deployer } from '../../src/maven/deployer.ts'
import { FactSource } from '../../src/maven/facts.ts'
import type { Metadata } from '../../src/maven/metadata.ts'
import { Reader } from '../../src/maven/reader.ts'
import type { HostedRepository } from '../../src/maven/repository.ts'
import { ArtifactStore } from '../../src/maven/store.ts'
import { Tree } from '../../src/maven/tree.ts'
import { BlobCache } from '../../src/storage/index.ts'
import { openTwinStorage } from '../cluster/fixture.ts'
import { DiskTwin } from '../twin/disk.ts'

/** A blob store as a node has it on a disk in memory, with a cache in which nothing has room. */
export async function openBlobs(): Promise<{ store: BlobStore; close(): Promise<void> }> {
  const { blobs, close } = await openPlatform()
  return { store: blobs, close }
}

/** What uploads and readers of one repository named `repository.name` work on, as the service puts them together. */
export async function openRepository(versions: HostedRepository['versions']) {
  const { map, blobs, close } = await openPlatform()
  let count = 0
  const newRequestId = () => `request-${++count}` as RequestId
  const clock = { nowMs: () => Date.UTC(2024, 0, 2, 3, 4, 5 + count) }
  const store = new ArtifactStore({ map, blobs, clock, newRequestId })
  const parts = { store, tree: new Tree(store), facts: new FactSource(store) }
  const deployer = new Deployer({ ...parts, uploadBytesMax: 1_000_000_000 })
  const repository: HostedRepository = { type: 'hosted', name: 'r', versions, adminOnly: false }
  /** What became of an upload: its outcome, or the kind of its refusal. */
  const put = async (path: string, body: string | AsyncIterable<Uint8Array>) => {
    const size = typeof body === 'string' ? utf8(body).length : undefined
    const publisher = 'someone'
    const upload = await deployer.begin({ repository, path, sizeBytes: size, publisher })
    if (!upload.ok) return upload.error.kind
    const stored = await upload.value.receive(typeof body === 'string' ? once(body) : body)
    return stored.ok ? stored.value.outcome : stored.error.kind
  }
  return { repository, store, facts: parts.facts, reader: new Reader(parts), deployer, put, close }
}

async function* once(body: string): AsyncGenerator<Uint8Array> {
  yield utf8(body)
}

async function openPlatform() {
  const storage = await openTwinStorage(new DiskTwin())
  const map = await openReplicatedMap({ ...storage, self: 'node-1' as NodeId })
  const cache = new BlobCache(1)
  const blobs = createBlobStore({ manifests: map.space('blobs'), chunks: storage.chunks, cache })
  return {
    map,
    blobs,
    async close() {
      await map.close()
      await storage.close()
    },
  }
}

const name = fc.string({
  unit: fc.constantFrom(...'abzAZ019_-'),
  minLength: 1,
  maxLength: 6,
})

/** Versions that begin with a number, as nearly all do: releases, and snapshots of both spellings. */
export const anyVersion: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(fc.nat(12), { minLength: 1, maxLength: 3 }).map((numbers) => numbers.join('.')),
    fc.constantFrom('', '-rc1', '-2', '-64', '.Final', '-beta.3', '+b7'),
    fc.constantFrom('', '', '-SNAPSHOT', '-20240102.030405-6', '-20231231.235959-12'),
  )
  .map((parts) => parts.join(''))

/** Coordinates whose extension a path tells apart from their classifier. */
export const anyCoordinates: fc.Arbitrary<Coordinates> = fc
  .record({
    groupId: fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('.')),
    artifactId: fc.array(name, { minLength: 1, maxLength: 2 }).map((names) => names.join('.')),
    version: anyVersion,
    classifier: fc.option(
      fc.constantFrom('sources', 'jdk8', '2b', 'linux-x86_64', 'some.strange.one', '20240102'),
      { nil: undefined },
    ),
    extension: fc.constantFrom(
      'jar',
      'pom',
      'module',
      'tar.gz',
      'jar.asc',
      'pom.sigstore.json',
      '7z',
    ),
  })
  .map(({ classifier, ...rest }) => (classifier === undefined ? rest : { ...rest, classifier }))

const time = fc.integer({ min: 20_200_101_000_000, max: 20_200_101_000_009 }).map(String)
const build = fc.record({
  timestamp: fc.constantFrom('20240102.030405', '20240102.030406', '20231231.235959'),
  buildNumber: fc.nat(12),
})
const prose = fc.constantFrom('x', 'A & B', '<b>', ']]>', '"\'', 'é\u{1f600}', 'a  b')

/** Any form of metadata that a file can have; not always one that this server would write. */
export const anyMetadata: fc.Arbitrary<Metadata> = fc.record(
  {
    groupId: fc.constantFrom('com.acme', 'org.acme'),
    artifactId: fc.constantFrom('app', 'lib'),
    version: fc.constantFrom('1.0-SNAPSHOT', '2.0-SNAPSHOT'),
    latest: anyVersion,
    release: anyVersion,
    versions: fc.array(anyVersion, { maxLength: 4 }),
    snapshot: build,
    snapshotVersions: fc.array(
      fc.record(
        {
          classifier: fc.constantFrom('sources', 'b'),
          extension: fc.constantFrom('jar', 'pom'),
          value: anyVersion,
          updated: fc.oneof(time, fc.constant('')),
        },
        { requiredKeys: ['extension', 'value', 'updated'] },
      ),
      { maxLength: 4 },
    ),
    lastUpdated: time,
    plugins: fc.array(
      fc.record(
        { name: prose, prefix: prose, artifactId: fc.constantFrom('p', 'q', 'r') },
        { requiredKeys: ['prefix', 'artifactId'] },
      ),
      { maxLength: 3 },
    ),
  },
  { requiredKeys: ['versions', 'snapshotVersions', 'plugins'] },
)
