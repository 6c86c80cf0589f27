import { MEMBER_MUTANTS } from './members-list.ts'
import { type Mutant, mutant } from './mutant.ts'

const SLOT = 'src/cluster/rabia/slot.ts'
const RABIA = 'src/cluster/rabia/rabia.ts'
const SEQUENCER = 'src/cluster/rabia/sequencer.ts'
const AGREEMENT = 'src/cluster/rabia/agreement.ts'
const ELECTORATE = 'src/cluster/rabia/electorate.ts'
const SESSION = 'src/cluster/rabia/session.ts'
const READER = 'src/cluster/rabia/reader.ts'
const LEDGER = 'src/cluster/rabia/ledger.ts'
const MACHINE = 'src/cluster/control/machine.ts'
const MEMBERS = 'src/cluster/control/members.ts'

function sendBeforeSync(stage: string): Mutant {
  const find = "    effects.push({ kind: 'persist', ballot })\n"
  const early = `if (ballot.stage === '${stage}') effects.push({ kind: 'send', ballot })`
  return mutant(`send the ${stage} before it is durable`, SLOT, find, `${find}    ${early}\n`)
}

/** Bugs of public implementations, of the paper's gaps and of this program's own history among them. */
export const MUTANTS: readonly Mutant[] = [
  sendBeforeSync('proposal'),
  sendBeforeSync('state'),
  sendBeforeSync('vote'),
  mutant(
    'go on while the own ballot is not durable',
    SLOT,
    'if (pending || decision || own.length === 0) return',
    'if (decision || own.length + (pending ? 1 : 0) === 0) return',
  ),
  mutant(
    'decide on n − f equal states',
    SLOT,
    "      const value = ones >= majority(n) ? 1 : '?'\n",
    "      if (ones >= quorum(n)) return { decided: batch }\n      const value = ones >= majority(n) ? 1 : '?'\n",
  ),
  mutant(
    'let the coin decide',
    SLOT,
    'return stateFrom(phase + 1, coin(electorate.epoch, number, phase) === 1 ? batch : undefined)',
    'return { decided: coin(electorate.epoch, number, phase) === 1 ? batch : undefined }',
  ),
  mutant(
    'count messages instead of senders',
    SLOT,
    "effects.push({ kind: 'violation', from: input.from })\n    }",
    `effects.push({ kind: 'violation', from: input.from })
    } else {
      tally[tally.indexOf(undefined)] = input.ballot
      this.#advance(effects)
    }`,
  ),
  mutant(
    'propose what is most frequent',
    SLOT,
    'proposedByMajority(ballots, majority(n))',
    'proposedByMajority(ballots, majority(n) - 1)',
  ),
  mutant(
    'forget R17: decide on equal proposals of a quorum',
    SLOT,
    'return ballots.length === n && isSure',
    'return ballots.length >= quorum(n) && isSure',
  ),
  mutant(
    'forget R17: decide what most of all proposals name',
    SLOT,
    'batch === undefined || ballots.every(',
    'batch === undefined || ballots.some(',
  ),
  mutant(
    'forget R17: wait for all proposals for ever',
    RABIA,
    '      this.#sequencer.hurry()\n',
    '',
  ),
  mutant(
    'leave the parts of a decided bundle in the queue',
    'src/cluster/rabia/queue.ts',
    '    for (const part of partsOf(id)) {',
    '    for (const part of [id]) {',
  ),
  mutant(
    'take a bundle for as young as its youngest part',
    'src/cluster/rabia/batch.ts',
    'Math.min(...parts',
    'Math.max(...parts',
  ),
  mutant(
    'leave the parts of a decided bundle open',
    RABIA,
    'for (const id of partsOf(batch.id)) this',
    'for (const id of partsOf(batch.id).slice(0, 0)) this',
  ),
  mutant(
    'take one ballot fewer for a quorum',
    ELECTORATE,
    'return n - tolerated(n)',
    'return Math.max(1, n - tolerated(n) - 1)',
  ),
  mutant(
    'take half for a majority',
    ELECTORATE,
    'return Math.floor(n / 2) + 1',
    'return Math.ceil(n / 2)',
  ),
  mutant(
    'wait for all members',
    ELECTORATE,
    'return n - tolerated(n)',
    'return n - 0 * tolerated(n)',
  ),
  {
    name: 'take those who have spoken for the members',
    edits: [
      {
        file: SLOT,
        find: 'const n = this.context.electorate.members.length\n    const round = this.#round()',
        put: 'const round = this.#round()\n    const n = this.#tally(round).filter((ballot) => ballot !== undefined).length',
      },
      {
        file: SLOT,
        find: 'const n = this.context.electorate.members.length\n    const { stage',
        put: 'const n = ballots.length\n    const { stage',
      },
    ],
  },
  mutant(
    'decide on f votes',
    SLOT,
    'if (ones > tolerated(n))',
    'if (ones > 0 && ones >= tolerated(n))',
  ),
  mutant(
    'forget a vote that did not decide',
    SLOT,
    '    if (ones > 0) return stateFrom(phase + 1, batch)\n',
    '',
  ),
  mutant(
    'vote 0 unless there is a majority for 1',
    SLOT,
    "const value = ones >= majority(n) ? 1 : '?'\n      return { stage: 'vote', phase, value, batch }",
    "if (ones < majority(n)) return { stage: 'vote', phase, value: 0, batch: undefined }\n      return { stage: 'vote', phase, value: 1, batch }",
  ),
  mutant(
    'forget R1: vote without the batch',
    SLOT,
    "return { stage: 'vote', phase, value, batch }",
    "return { stage: 'vote', phase, value, batch: value === '?' ? batch : undefined }",
  ),
  mutant(
    'forget R1: lose the batch when in doubt',
    SLOT,
    "return { stage: 'vote', phase, value, batch }",
    "return { stage: 'vote', phase, value, batch: value === '?' ? undefined : batch }",
  ),
  mutant(
    'forget R3: let the last ballot win',
    SLOT,
    '    if (earlier === undefined) {',
    '    if (earlier === undefined || !sameBallot(earlier, input.ballot)) {',
  ),
  mutant(
    'forget R8: take ballots of any slot',
    SLOT,
    'if (input.epoch !== electorate.epoch || input.slot !== number) return',
    'if (input.epoch !== electorate.epoch || number < 0) return',
  ),
  mutant(
    'take ballots of any epoch',
    SLOT,
    'if (input.epoch !== electorate.epoch || input.slot !== number) return',
    'if (input.slot !== number) return',
  ),
  mutant(
    'count ballots of strangers',
    SLOT,
    'const sender = electorate.members.indexOf(input.from)',
    'const sender = (electorate.members.indexOf(input.from) + 3) % 3',
  ),
  mutant(
    'forget R10: flip the same coins in every slot',
    'src/cluster/rabia/coin.ts',
    '{slot}',
    '{0 * slot}',
  ),
  mutant(
    'forget the last ballot in a restart',
    AGREEMENT,
    'emptySlot(this.#recorded)',
    'emptySlot(this.#recorded.slice(0, -1))',
  ),
  mutant(
    'begin the slot anew after a restart',
    AGREEMENT,
    'if (this.#recorded.length > 0) {',
    'if (this.#recorded.length < 0) {',
  ),
  mutant(
    'take any write for that of the ballot',
    SEQUENCER,
    'if (this.#ballotToken === undefined || this.#ballotToken > token) return',
    'if (this.#ballotToken === undefined || token < 0) return',
  ),
  mutant(
    'take a refusal of the full disk for a success',
    RABIA,
    'this.#sequencer.journal.refuse(input.token)',
    'this.#sequencer.persisted(input.token)',
  ),
  mutant(
    'forfeit a slot whose batch is not known',
    AGREEMENT,
    'this.#missing = body ? undefined : batch',
    'this.#missing = undefined',
  ),
  mutant(
    'apply out of order',
    SEQUENCER,
    '      if (first + i !== ledger.history.end) continue\n',
    '      if (first + i < ledger.history.end) continue\n',
  ),
  mutant(
    'forget R2: learn nothing from proposals',
    RABIA,
    '    if (message.batch) this.#sequencer.learn(message.batch)\n',
    '',
  ),
  mutant(
    'forget R4: repeat no ballots',
    RABIA,
    'if (ballots) this.#out.send(peers, ballots)',
    'if (ballots && peers.length < 0) this.#out.send(peers, ballots)',
  ),
  mutant(
    'forget R5: do not help with decided slots',
    'src/cluster/rabia/transfer.ts',
    'if (first >= history.end) return',
    'if (first >= 0 * history.end) return',
  ),
  mutant(
    'forget R6: only take part with a batch',
    AGREEMENT,
    '    if (head) this.#bodies.set(head.id, head)\n',
    '    if (!head) return []\n    this.#bodies.set(head.id, head)\n',
  ),
  mutant(
    'order batches of two starts of a node by arrival',
    'src/cluster/rabia/queue.ts',
    'return a.id < b.id',
    'return false',
  ),
  mutant(
    'name the batches of every start alike',
    'src/cluster/rabia/batch.ts',
    '{boot}',
    '{boot.length}',
  ),
  mutant(
    'seal requests again and again',
    'src/cluster/rabia/intake.ts',
    '    this.#unsealed = this.#unsealed.slice(requests.length)\n',
    '',
  ),
  mutant(
    'forget R12: apply what was applied',
    SESSION,
    '    if (known) return known\n',
    '    if (known && seq < 0) return known\n',
  ),
  mutant(
    'forget R12: take a copy of a forgotten request for a new one',
    SESSION,
    'at.stamp <= this.#floor',
    'at.stamp < 0 * this.#floor',
  ),
  mutant('forget R12: serve a client that is unknown', SESSION, 'seq > 1 || at.stamp', 'at.stamp'),
  mutant(
    'keep the electorate of the start',
    LEDGER,
    '    this.#slot++\n    this.#electorate = this.#machine.electorate()\n',
    '    this.#slot++\n',
  ),
  mutant(
    'forget R14: believe the lowest mark',
    READER,
    'Math.max(...round.marks',
    'Math.min(...round.marks',
  ),
  mutant(
    'forget R14: leave out the open slot',
    SEQUENCER,
    'return this.#agreement.ballots.length > 0 ? slot : history.end - 1',
    'return this.#agreement.ballots.length < 0 ? slot : history.end - 1',
  ),
  mutant(
    'forget R14: read without asking',
    READER,
    'round.marks.size >= quorum(members.length)',
    'round.marks.size >= quorum(1)',
  ),
  mutant(
    'forget R14: do not ask again in another epoch',
    READER,
    'if (round.electorate.epoch !== electorate.epoch) {',
    'if (round.electorate.epoch > electorate.epoch) {',
  ),
  mutant('believe marks for an earlier start', READER, '{this.#boot}', '{this.#boot.length}'),
  mutant(
    'skip a command that is not known',
    MACHINE,
    "return { kind: 'stalled', reason }",
    "return applied({ kind: 'refused', why: reason ? 'format-not-enabled' : 'other-epoch' })",
  ),
  mutant(
    'carry out a command above the gate',
    MACHINE,
    'if (command.format > this.#gate) {',
    'if (command.format > this.#knows) {',
  ),
  mutant(
    'enable a format that some do not know',
    MACHINE,
    'return nodes.every(',
    'return nodes.some(',
  ),
  mutant(
    'change members from an older epoch',
    MEMBERS,
    'change.epoch !== this.#epoch',
    'change.epoch > this.#epoch',
  ),
  mutant(
    'let a learner vote at once',
    MEMBERS,
    "address, role: 'learner' }",
    "address, role: 'voter' }",
  ),
  ...MEMBER_MUTANTS,
]
