import { type Mutant, mutant } from './mutant.ts'

const ROUTER = 'src/cluster/dht/map/map-router.driver.ts'
const LOCAL = 'src/cluster/dht/map/local-map.driver.ts'
const STORE = 'src/cluster/dht/blob/blob-store.driver.ts'
const READER = 'src/cluster/dht/blob/blob-reader.driver.ts'
const REPLICATION = 'src/cluster/dht/blob/blob-replication.driver.ts'
const COPIES = 'src/cluster/dht/blob/chunk-copies.driver.ts'
const INTAKE = 'src/cluster/dht/blob/chunk-intake.driver.ts'

/** Bugs on the way to the primary of a partition. */
export const ROUTING_MUTANTS: readonly Mutant[] = [
  mutant(
    'ask again with another request id',
    ROUTER,
    'question ??= encodeCall(call)',
    "question = encodeCall({ ...call, ...('requestId' in call && { requestId: call.requestId + leftMs }) } as MapCall)",
  ),
  mutant(
    'say that a write did not happen when nobody knows',
    ROUTER,
    "if (call.kind === 'write' && error.kind === 'outcome-unknown')",
    "if (call.kind === 'write' && error.kind === 'outcome-unknown' && leftMs < 0)",
  ),
  mutant(
    'begin a write anew that may have been made',
    ROUTER,
    'return err(isUnknown ? refusal : error)',
    "return err(isUnknown && error.kind !== 'forgotten' ? refusal : error)",
  ),
  mutant(
    'begin an attempt when the time is up',
    ROUTER,
    'if (leftMs <= 0 ||',
    'if (leftMs <= -WAIT_MS ||',
  ),
  mutant(
    'wait for the answer of a primary that is none any more',
    ROUTER,
    'if (this.#row(place)?.primary !== primary) giveUp',
    'if (this.#row(place) === undefined && primary) giveUp',
  ),
  mutant(
    'show what may yet be taken back',
    LOCAL,
    'entry !== undefined && replica?.isCommitted(entry.version) ? entry : undefined',
    'entry',
  ),
]

/** Bugs in how chunks get to their replicas and back. */
export const BLOB_MUTANTS: readonly Mutant[] = [
  mutant(
    'write the manifest before the chunks are durable',
    STORE,
    '      const published = await upload.publish()\n',
    '      const early = await this.#writeManifest(received.value)\n      if (!early.ok) return early\n      const published = await upload.publish()\n',
  ),
  mutant(
    'answer when fewer than a majority has a chunk',
    COPIES,
    'Math.floor(replicas.length / 2) + 1',
    'Math.floor(replicas.length / 2)',
  ),
  mutant(
    'serve a segment without checking it',
    READER,
    '!filled.ok || crc32(segment) !== entry.checksums[segmentIndex]',
    '!filled.ok || crc32(segment) < 0',
  ),
  mutant(
    'serve what another node has without checking it',
    REPLICATION,
    "outcome === 'filled' && crc32(into) === entry.checksums[segmentIndex]",
    "outcome === 'filled' && crc32(into) >= 0",
  ),
  mutant(
    'keep a chunk whose bytes are others',
    INTAKE,
    "if (arrival.hash.digest('hex') !== arrival.digest) return 'unexpected'",
    "if (arrival.hash.digest('hex') === '') return 'unexpected'",
  ),
  mutant('leave what was found damaged', REPLICATION, '        this.#keeper.mend(entry)\n', ''),
]
