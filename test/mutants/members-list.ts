/** Deliberate bugs of snapshots, catch-up, incarnations and changes of the members. */
import { type Mutant, mutant } from './mutant.ts'

const RABIA = 'src/cluster/rabia/rabia.ts'
const LEDGER = 'src/cluster/rabia/ledger.ts'
const TRANSFER = 'src/cluster/rabia/transfer.ts'
const CATCH_UP = 'src/cluster/rabia/catch-up.ts'
const ARCHIVE = 'src/cluster/rabia/archive.ts'
const RECALL = 'src/cluster/rabia/recall.ts'
const PEERS = 'src/cluster/rabia/peers.ts'
const FRANCHISE = 'src/cluster/rabia/franchise.ts'
const MEMBERS = 'src/cluster/control/members.ts'
const ADMISSION = 'src/cluster/membership/admission.ts'

export const MEMBER_MUTANTS: readonly Mutant[] = [
  {
    name: 'go back to an older snapshot',
    edits: [
      { file: TRANSFER, find: 'if (offer.slot < slot || stalled', put: 'if (slot < 0 || stalled' },
      {
        file: TRANSFER,
        find: 'if (this.#received.slot < this.#ledger.slot) this.#received = undefined\n    else this',
        put: 'this',
      },
      {
        file: TRANSFER,
        find: 'if (snapshot === this.#received) this.#received = undefined\n    if (snapshot.slot < this.#ledger.slot) {',
        put: 'const isOwn = snapshot !== this.#received\n    if (!isOwn) this.#received = undefined\n    if (isOwn) {',
      },
      {
        file: LEDGER,
        find: "    assert(snapshot.slot >= this.#slot - 1, 'the state never goes back')\n",
        put: "    assert(snapshot.slot >= 0, 'a slot')\n",
      },
    ],
  },
  mutant(
    'take a snapshot for what was offered without a look',
    CATCH_UP,
    'if (hex(sha256(bytes)) !== offer.sha256)',
    'if (hex(sha256(bytes)) === offer.sha256.slice(1))',
  ),
  mutant(
    'trim the log before the snapshot is durable',
    TRANSFER,
    'Math.min(this.#archive.slot ?? 0, agreed)',
    'Math.min(this.#ledger.slot - 1, agreed)',
  ),
  mutant(
    'trim what a quorum does not have',
    TRANSFER,
    'Math.min(this.#archive.slot ?? 0, agreed)',
    'Math.max(this.#archive.slot ?? 0, 0 * agreed)',
  ),
  mutant(
    'trim what one member does not need any more',
    PEERS,
    'slots[quorum(members.length) - 1]',
    'slots[0 * quorum(members.length)]',
  ),
  mutant(
    'believe that a snapshot is durable which the disk has refused',
    ARCHIVE,
    '    this.#saving = undefined\n    this.#pauseTicks',
    '    this.hold(this.#saving)\n    this.#saving = undefined\n    this.#pauseTicks',
  ),
  mutant(
    'leave the sessions out of the snapshot',
    LEDGER,
    '    this.sessions.restore(sessions)\n',
    '    this.sessions.restore({ ...sessions, sessions: [] })\n',
  ),
  mutant('keep the ballots of before over a snapshot', RABIA, '    this.#sequencer.reset()\n', ''),
  mutant(
    'keep the old members over a snapshot',
    LEDGER,
    '    this.#digest = digest\n    this.#electorate = this.#machine.electorate()\n',
    '    this.#digest = digest\n',
  ),
  mutant(
    'let the old members decide one slot more',
    LEDGER,
    '    this.#slot++\n    this.#electorate = this.#machine.electorate()\n',
    '    this.#slot++\n    if (settled.length > 0) return settled\n    this.#electorate = this.#machine.electorate()\n',
  ),
  mutant(
    'let learners vote',
    FRANCHISE,
    'electorate.members.includes(self) && (isSelf?.() ?? true)',
    'electorate.epoch > 0 && (isSelf?.() ?? true)',
  ),
  mutant(
    'let a node without a state begin on its own',
    LEDGER,
    'this.#electorate.members.length > 0 ? 1 : 0',
    'this.#electorate.members.length > 0 ? 1 : 1',
  ),
  mutant(
    'forget R15: vote without being recalled',
    FRANCHISE,
    'return this.#isVoter && this.isRecalled',
    'return this.#isVoter && (this.isRecalled || this.#hasStarted)',
  ),
  mutant(
    'forget R15: remember nothing of others',
    PEERS,
    'slot: heard?.slot ?? 0, ballot: heard?.ballot }',
    'slot: 0 * (heard?.slot ?? 0), ballot: undefined }',
  ),
  mutant(
    'forget R15: compare with what was learned since the start',
    RECALL,
    'includes(this.#start ?? now, slot, ballot)',
    'includes(slot < 0 ? (this.#start ?? now) : now, slot, ballot)',
  ),
  mutant(
    'let in whoever has the name of a member',
    ADMISSION,
    'return member.incarnation === hello.incarnation',
    'return member.incarnation !== undefined',
  ),
  mutant(
    'let in removed nodes',
    ADMISSION,
    "return refused(hello.epoch <= own.committed.epoch ? 'removed' : 'not-a-member')",
    "return hello.epoch < 0 ? refused('removed') : { admit: true }",
  ),
  mutant(
    'keep the epoch when the members change',
    MEMBERS,
    'epoch: this.#epoch + 1,',
    'epoch: this.#epoch + (members.length % 2),',
  ),
]
