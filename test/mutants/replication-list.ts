import { type Mutant, mutant } from './mutant.ts'

const PRIMARY = 'src/cluster/dht/replica/primary.ts'
const READS = 'src/cluster/dht/replica/reads.ts'
const REPLICA = 'src/cluster/dht/replica/replica.ts'
const COPY = 'src/cluster/dht/replica/copy.ts'
const FETCH = 'src/cluster/dht/replica/fetch.ts'
const SOURCE = 'src/cluster/dht/replica/source.ts'
const TAKEOVER = 'src/cluster/dht/replica/takeover.ts'
const QUORUM = 'src/cluster/dht/quorum.ts'
const LOG = 'src/cluster/dht/replica/log.ts'

const FENCE = 'if (message.epoch < promised) {'

function fenceAllBut(kind: string): string {
  return `if (message.epoch < promised && message.kind !== '${kind}') {`
}

/** Bugs of replicated partitions: forgotten rules, and shortcuts that look harmless. */
export const REPLICATION_MUTANTS: readonly Mutant[] = [
  mutant(
    'acknowledge before a quorum has it',
    PRIMARY,
    'if (writeQuorum === 1) return',
    'if (writeQuorum <= others.length + 1) return',
  ),
  mutant('ignore the epoch of writes', REPLICA, FENCE, fenceAllBut('append')),
  mutant('ignore the epoch of reads', REPLICA, FENCE, fenceAllBut('confirm')),
  mutant(
    'answer a seal without a promise',
    REPLICA,
    '        this.#observe(message.epoch)\n        if (this.#copy.seal(message.epoch, from)) this',
    '        this',
  ),
  mutant(
    'answer a seal before the promise is durable',
    COPY,
    'if (this.#promisedDurably >= epoch) return true',
    'if (this.#promised >= epoch) return true',
  ),
  mutant(
    'seal one replica fewer',
    QUORUM,
    'seal: count - write + 1 }',
    'seal: Math.max(1, count - write) }',
  ),
  mutant(
    'adopt the longest history',
    TAKEOVER,
    'compareVersions(endOf(history), endOf(best.history))',
    'endOf(history).seq - endOf(best.history).seq',
  ),
  mutant(
    'serve before the empty write is committed',
    PRIMARY,
    '    this.#isServing = others.length === 0\n',
    '    this.#isServing = true\n    host.serving(epoch)\n    if (others.length > 0) this.#orderNothing()\n',
  ),
  mutant(
    'keep writes that the primary lacks',
    COPY,
    'mayAppend && isSameVersion(write.previous, this.log.last)',
    'mayAppend && (isSameVersion(write.previous, this.log.last) || write.previous.seq === this.log.last.seq)',
  ),
  mutant(
    'drop records and keep their entries',
    SOURCE,
    'for (const key of keys) {\n      const found = this.#lacking([key], entries)',
    'for (const key of keys.slice(keys.length)) {\n      const found = this.#lacking([key], entries)',
  ),
  mutant(
    'count a retry at another primary twice',
    PRIMARY,
    "if (typeof first === 'object') {",
    "if (typeof first === 'object' && first.epoch === this.#options.epoch) {",
  ),
  mutant(
    'make a write whose earlier attempts would not show',
    PRIMARY,
    '!this.#log.reachesBackTo(since)',
    'this.#log.oldest > this.#log.last.seq',
  ),
  mutant(
    'take a request with the same digest for the same request',
    LOG,
    'if (found === requestId) return version',
    'return version',
  ),
  mutant(
    'make a write again whose record has just been dropped',
    LOG,
    "if (found === undefined) return 'gone'",
    'if (found === undefined) continue',
  ),
  mutant(
    'adopt from an incomplete replica',
    COPY,
    'this.isComplete ? this.log.runs() : undefined',
    'this.log.runs()',
  ),
  mutant(
    'overlook what an incomplete replica had',
    TAKEOVER,
    'compareVersions(had, end) > 0',
    'compareVersions(had, end) > 0 && had.seq < 0',
  ),
  mutant(
    'trust a disk that may be lost while an incomplete replica had more',
    TAKEOVER,
    ' && !answers.some(isBeyond)',
    '',
  ),
  mutant(
    'count a replica that may have lost its disk',
    TAKEOVER,
    'answer.had === undefined ? isTrusted',
    'answer.had === undefined ? isTrusted || answers.length > 0',
  ),
  mutant(
    'forget to be incomplete in a crash',
    FETCH,
    'if (isComplete() !== (had === undefined)) operations',
    'if (!isComplete() && had === undefined) operations',
  ),
  mutant(
    'be complete with entries that are too new',
    FETCH,
    'isFull && compareVersions(last, this.#until) >= 0',
    'isFull && last.seq >= 0',
  ),
  mutant(
    'miss what changes during a scan',
    FETCH,
    'this.#since = this.#scannedSince',
    'this.#since = at',
  ),
  mutant(
    'take a page for another one',
    FETCH,
    'page.turn !== this.#turn',
    'this.#turn === undefined',
  ),
  mutant(
    'read past writes in flight',
    PRIMARY,
    'this.#inFlight.findLast(isSeen)?.version ?? this.#committed',
    'this.#inFlight.findLast((write) => isSeen(write) && write.age < 0)?.version ?? this.#committed',
  ),
  mutant(
    'read without confirmation',
    READS,
    'round.voters.size + 1 < this.#options.readQuorum',
    'round.voters.size + this.#options.readQuorum < 0',
  ),
  mutant(
    'confirm a read with an earlier answer',
    READS,
    'if (this.#round?.turn !== turn) return',
    'if (this.#round === undefined || turn < 0) return',
  ),
  mutant(
    'tell a conflict without confirmation',
    PRIMARY,
    'this.#reads.add({ client, result: err(refusal.conflict) }, refusal.basis ?? this.#committed)',
    'host.reply({ client, result: err(refusal.conflict) })',
  ),
  mutant(
    'tell that a write did not happen when nobody knows',
    PRIMARY,
    "err({ kind: 'outcome-unknown', reason })",
    'unavailable(reason)',
  ),
  mutant(
    'send a write before it is durable here',
    PRIMARY,
    'host.order({ ...record, version }, bytes, entries, append)',
    'this.#append(others, append)\n    host.order({ ...record, version }, bytes, entries, append)',
  ),
  mutant(
    'acknowledge a repeated write that is not durable yet',
    COPY,
    'compareVersions(end, this.log.durable) <= 0',
    'compareVersions(end, this.log.last) <= 0',
  ),
  {
    name: 'apply writes out of order',
    edits: [
      {
        file: COPY,
        find: 'mayAppend && isSameVersion(write.previous, this.log.last)',
        put: 'mayAppend && (isSameVersion(write.previous, this.log.last) || write.previous.seq > this.log.last.seq)',
      },
      {
        file: LOG,
        find: "    assert(record.version.seq === this.last.seq + 1, 'the sequence of writes has no gaps')\n",
        put: '',
      },
      {
        file: LOG,
        find: 'version.seq === this.#durable.seq + 1',
        put: 'version.seq > 0',
      },
    ],
  },
]
