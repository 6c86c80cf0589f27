/**
 * An explicit-state model checker around the shipped `Slot`. A state is what every member remembers, what its disk
 * holds and everything it has ever sent: the network may deliver any of that at any time, also again.
 *
 * - Members restart at any moment and keep only what their disk holds; a ballot on its way to it may have arrived.
 * - The coin falls differently for every flip, which allows more than the common coin does.
 * - A member that waits for ballots of a round is given them all at once, in every combination that ends the round; it
 *   waits for all proposals, or is told to hurry with those of a quorum.
 *   Ballots that come earlier or one by one only wait in its memory: `singly` checks that too where it is affordable.
 * - Members are interchangeable as long as they remember no ballots of others, so states are kept up to their order.
 *   New batches are named in the order in which they are first proposed, for the same reason.
 */
import type { NodeId } from '../../../src/base/ids.ts'
import type { Ballot } from '../../../src/cluster/rabia/ballot.ts'
import type { BatchId } from '../../../src/cluster/rabia/batch.ts'
import { type Electorate, electorate } from '../../../src/cluster/rabia/electorate.ts'
import { emptySlot, Slot, type SlotInput, type SlotState } from '../../../src/cluster/rabia/slot.ts'

/** Explores every state and returns how many there are; throws a `Violation` at the first bad one. */
export function check(model: Model): Explored {
  return new Checker(model).run()
}

/** Follows `walks` random paths from the start, each until all have decided or `steps` are done. */
export function wander(model: Model, next: () => number, walks: number, steps: number): Explored {
  return new Checker(model).wander(next, walks, steps)
}

export type Model = {
  readonly members: number
  readonly phases: number
  /** Delivers ballots one by one, in any order, also of later rounds. */
  readonly singly?: boolean
  /** Members do not restart; for comparison. */
  readonly immortal?: boolean
  /** Tells states apart by all that was ever said, not only by what can matter again. */
  readonly everything?: boolean
  /** Two slots: with the batch `join` decided in the first, one more member votes in the second. */
  readonly growth?: boolean
  /** Gives up with an error beyond so many states. */
  readonly statesMax?: number
}

export type Explored = { readonly states: number; readonly steps: number; readonly members: number }

/** A property does not hold: what, and the state in which it was seen. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

/** The model is larger than allowed; nothing was found in the part that was explored. */
export class TooManyStates extends Error {
  override readonly name = 'TooManyStates'
}

/** One member's part in one slot: its memory, its disk, and what it has sent. */
type Life = {
  readonly electorate: Electorate
  readonly memory: SlotState
  readonly disk: readonly Ballot[]
  readonly unsynced: Ballot | undefined
  readonly sent: readonly Ballot[]
}

/** All slots of one member; it works on the last. Interned: equal members have equal ids. */
type Member = {
  readonly id: number
  readonly lives: readonly Life[]
  /** Remembers ballots of others, so that it does not look the same to everybody. */
  readonly isPartial: boolean
  /** Which member it is, if that makes a difference. */
  readonly scope: string
  /** By the rounds that are over. */
  readonly names: Map<number, number>
}

type Heard = {
  readonly sender: number
  readonly slot: number
  readonly epoch: number
  readonly ballot: Ballot
}

/** What a member does next, alone. */
type Action =
  | { readonly kind: 'propose'; readonly batch: BatchId | undefined }
  | { readonly kind: 'sync' }
  | { readonly kind: 'hurry' }
  | { readonly kind: 'hear'; readonly ballots: readonly Heard[]; readonly thenSync: boolean }
  | { readonly kind: 'crash'; readonly keepsUnsynced: boolean; readonly keepsDecision: boolean }
  | { readonly kind: 'learn'; readonly batch: BatchId | undefined }

/** Where it leads, and what others can notice of it. */
type Edge = {
  readonly member: Member
  readonly slot: number
  readonly sent: readonly Ballot[]
  readonly decided: { readonly batch: BatchId | undefined } | undefined
}

type State = { readonly members: readonly Member[]; readonly decisions: readonly string[] }

class Checker {
  readonly #model: Model
  readonly #nodes: readonly NodeId[]
  readonly #members = new Map<string, Member>()
  readonly #names = new Map<string, number>()
  readonly #edges = new Map<string, readonly Edge[]>()
  readonly #seen = new Set<string>()
  #open: State[] = []
  #steps = 0
  #coin: 0 | 1 = 0
  #wasFlipped = false

  constructor(model: Model) {
    this.#model = model
    const names = ['a', 'b', 'c', 'd', 'e'] as NodeId[]
    this.#nodes = names.slice(0, model.members + (model.growth ? 1 : 0))
  }

  run(): Explored {
    this.#reach(this.#start())
    for (let state = this.#open.pop(); state; state = this.#open.pop()) this.#expand(state)
    return this.#explored()
  }

  wander(next: () => number, walks: number, steps: number): Explored {
    for (let walk = 0; walk < walks; walk++) {
      let state = this.#start()
      for (let step = 0; step < steps; step++) state = this.#wanderOn(state, next)
      this.#open = []
    }
    return this.#explored()
  }

  #start(): State {
    const first = electorate(1, this.#nodes.slice(0, this.#model.members))
    const member = this.#intern([emptyLife(first)], 0)
    return { members: this.#nodes.map(() => member), decisions: [] }
  }

  #explored(): Explored {
    return { states: this.#seen.size, steps: this.#steps, members: this.#members.size }
  }

  #reach(state: State): void {
    const isSymmetric = !this.#model.growth && state.members.every((member) => !member.isPartial)
    const over = [this.#roundsOver(state, 1), this.#roundsOver(state, 2)] as const
    const names = state.members.map((member) => this.#name(member, over))
    if (isSymmetric) names.sort((one, other) => one - other)
    const key = `${names.join()};${state.decisions.join()}`
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    if (this.#seen.size > (this.#model.statesMax ?? Number.POSITIVE_INFINITY)) {
      throw new TooManyStates(`more than ${this.#model.statesMax} states`)
    }
    this.#open.push(state)
  }

  /** The name of what matters of a member when nobody can come back to a round before `over`, by slot. */
  #name(member: Member, over: readonly [number, number]): number {
    const index = over[0] * ROUNDS_MAX + over[1]
    let name = member.names.get(index)
    if (name === undefined) {
      const lives = member.lives.map((life, i) => keyOf(life, over[i]))
      const key = `${member.scope} ${lives.join('#')}`
      name = this.#names.get(key) ?? this.#names.size
      this.#names.set(key, name)
      member.names.set(index, name)
    }
    return name
  }

  /**
   * The rounds of a slot whose ballots none of its voters can need again, not even after a crash. This holds as long
   * as the shipped code concludes from the ballots of one round alone; a model with `everything` does without.
   */
  #roundsOver({ members }: State, slot: number): number {
    let over = ROUNDS_MAX
    for (const [i, { lives }] of members.entries()) {
      const life = lives[slot - 1]
      if (!life || this.#model.everything) return 0
      const hasLeft = (lives[slot]?.disk.length ?? 0) > 0
      const isVoter = life.electorate.members.includes(this.#nodes[i]!)
      if (isVoter && !hasLeft) over = Math.min(over, Math.max(0, life.disk.length - 1))
    }
    return over
  }

  #expand(state: State): void {
    let canGoOn = state.decisions.length > 0
    for (let self = 0; self < state.members.length; self++) {
      if (isRepeated(state.members, self)) continue
      const reached = new Set<Member>()
      for (const action of this.#actions(state, self)) {
        canGoOn ||= action.kind !== 'crash'
        for (const edge of this.#follow(state.members[self]!, self, action)) {
          const after = this.#after(state, self, edge)
          if (edge.decided || !reached.has(edge.member)) this.#reach(after)
          reached.add(edge.member)
        }
      }
      canGoOn ||= this.#isBeyond(state.members[self]!.lives.at(-1)!)
    }
    if (!canGoOn) throw violation(state, 0, 'nobody can go on')
  }

  /** Whether the life has reached the end of what the model looks at. */
  #isBeyond({ unsynced, disk }: Life): boolean {
    return ((unsynced ?? disk.at(-1))?.phase ?? 0) > this.#model.phases
  }

  #wanderOn(state: State, next: () => number): State {
    const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(next() * from.length)]
    const self = Math.floor(next() * state.members.length)
    const mayCrash = next() < CRASH_CHANCE
    const actions = [...this.#actions(state, self)]
    const action = pick(actions.filter(({ kind }) => mayCrash || kind !== 'crash'))
    const edge = action && pick(this.#follow(state.members[self]!, self, action))
    if (!edge) return state
    const after = this.#after(state, self, edge)
    this.#reach(after)
    return after
  }

  #after(state: State, self: number, edge: Edge): State {
    this.#steps++
    const decisions = checked(state, self, edge)
    return { members: state.members.with(self, edge.member), decisions }
  }

  *#actions(state: State, self: number): Iterable<Action> {
    const { lives } = state.members[self]!
    const life = lives.at(-1)!
    const { memory, unsynced } = life
    // A crash there only leads back to where it came from, or further out.
    if (this.#isBeyond(life)) return
    if (!this.#model.immortal) yield* crashes(lives)
    if (this.#model.growth && !memory.decision) {
      for (const other of state.members) {
        const decision = other.lives[lives.length - 1]?.memory.decision
        if (decision) yield { kind: 'learn', batch: decision.decided }
      }
    }
    if (memory.decision || !life.electorate.members.includes(this.#nodes[self]!)) return
    if (memory.own.length === 0 && !memory.pending) {
      for (const batch of this.#proposals(state, lives.length)) yield { kind: 'propose', batch }
      return
    }
    if (unsynced) yield { kind: 'sync' }
    if (this.#model.singly) {
      if (!unsynced && memory.own.length === 1) yield { kind: 'hurry' }
      for (const ballots of singles(state, self)) yield { kind: 'hear', ballots, thenSync: false }
      return
    }
    const n = life.electorate.members.length
    // n − f, told here once more: the checker must not believe what it checks.
    const needed = n - Math.floor((n - 1) / 2)
    const stray = strays(state, self)
    for (const fresh of quorums(state, self)) {
      const ballots = [...stray, ...fresh]
      const isWhole = memory.own.length === 1 && fresh.length === n - 1
      if (!unsynced && (fresh.length === needed - 1 || isWhole)) {
        yield { kind: 'hear', ballots, thenSync: false }
      }
      if (unsynced && fresh.length >= needed) yield { kind: 'hear', ballots, thenSync: true }
    }
  }

  /** Any batch proposed before, one that was not, or nothing. */
  #proposals(state: State, slot: number): (BatchId | undefined)[] {
    if (this.#model.growth) {
      return (slot === 1 ? ['join', 'stay'] : ['x', 'y']).map((name) => name as BatchId)
    }
    const used = new Set<BatchId>()
    for (const { lives } of state.members) {
      for (const { disk, unsynced, sent } of lives) {
        for (const ballot of [disk[0], sent[0], unsynced]) if (ballot?.batch) used.add(ballot.batch)
      }
    }
    return [undefined, ...used, `m${used.size}` as BatchId]
  }

  /** Lets the shipped code act, with either side of the coin if it flips it. */
  #follow(member: Member, self: number, action: Action): readonly Edge[] {
    const key = `${member.id} ${self} ${nameOf(action)}`
    const known = this.#edges.get(key)
    if (known) return known
    this.#coin = 0
    this.#wasFlipped = false
    const edges = [this.#act(member, self, action)]
    this.#coin = 1
    if (this.#wasFlipped) edges.push(this.#act(member, self, action))
    this.#edges.set(key, edges)
    return edges
  }

  #act(member: Member, self: number, action: Action): Edge {
    const before = member.lives
    const life = before.at(-1)!
    if (action.kind === 'learn') {
      const memory = { ...life.memory, decision: { decided: action.batch } }
      const lives = this.#moveOn([...before.slice(0, -1), { ...life, memory }])
      const member = this.#intern(lives, self)
      return { member, slot: before.length, sent: [], decided: undefined }
    }
    if (action.kind === 'crash') return this.#restart(before, self, action)
    const run = new Run(this.#slot(life, self, before.length, remembered(life, self)), life)
    if (action.kind === 'propose') run.take({ kind: 'propose', batch: action.batch })
    if (action.kind === 'hear') {
      for (const { sender, slot, epoch, ballot } of action.ballots) {
        run.take({ kind: 'ballot', from: this.#nodes[sender]!, slot, epoch, ballot })
      }
    }
    if (action.kind === 'sync' || (action.kind === 'hear' && action.thenSync)) run.sync()
    if (action.kind === 'hurry' || (action.kind === 'hear' && !this.#model.singly)) {
      run.take({ kind: 'hurry' })
    }
    return this.#edge(before, self, run)
  }

  #restart(
    before: readonly Life[],
    self: number,
    action: Extract<Action, { kind: 'crash' }>,
  ): Edge {
    const lives = action.keepsDecision ? before : before.slice(0, 1)
    const life = lives.at(-1)!
    const disk = action.keepsUnsynced && life.unsynced ? [...life.disk, life.unsynced] : life.disk
    const restarted = { ...life, disk, unsynced: undefined, memory: emptySlot(disk) }
    const slot = this.#slot(restarted, self, lives.length, restarted.memory)
    const run = new Run(slot, restarted)
    run.repeat()
    if (disk.length > 0) run.take({ kind: 'resume' })
    return this.#edge(lives, self, run)
  }

  #edge(before: readonly Life[], self: number, run: Run): Edge {
    const lives = this.#moveOn([...before.slice(0, -1), run.life()])
    const member = this.#intern(lives, self)
    return { member, slot: before.length, sent: run.said, decided: run.decided }
  }

  /** The next slot begins where one more is to be checked. */
  #moveOn(lives: readonly Life[]): readonly Life[] {
    const { memory, electorate: current } = lives.at(-1)!
    if (!this.#model.growth || lives.length > 1 || !memory.decision) return lives
    const grows = memory.decision.decided === 'join'
    return [...lives, emptyLife(grows ? electorate(2, this.#nodes) : current)]
  }

  #slot(life: Life, self: number, number: number, memory: SlotState): Slot | undefined {
    const node = this.#nodes[self]!
    if (!life.electorate.members.includes(node)) return undefined
    const coin = (): 0 | 1 => {
      this.#wasFlipped = true
      return this.#coin
    }
    return new Slot({ self: node, electorate: life.electorate, number, coin }, memory)
  }

  #intern(lives: readonly Life[], self: number): Member {
    const isPartial = lives.some((life) => life.memory.heard.size > 0 && !isPlain(life, self))
    const kept = isPartial ? lives : lives.map(plain)
    const scope = isPartial || this.#model.growth ? String(self) : ''
    const key = `${scope} ${kept.map((life) => keyOf(life)).join('#')}`
    const known = this.#members.get(key)
    if (known) return known
    const member = { id: this.#members.size, lives: kept, isPartial, scope, names: new Map() }
    this.#members.set(key, member)
    return member
  }
}

/** More than any model has. */
const ROUNDS_MAX = 1_000

/** Often enough to meet every stage, seldom enough to get through ten phases. */
const CRASH_CHANCE = 0.1

/** The shipped slot at work: carries out its effects on the disk and the network of one member. */
class Run {
  readonly said: Ballot[] = []
  decided: { readonly batch: BatchId | undefined } | undefined
  readonly #slot: Slot | undefined
  readonly #life: Life
  readonly #disk: Ballot[]
  readonly #sent: Ballot[]
  #unsynced: Ballot | undefined

  constructor(slot: Slot | undefined, life: Life) {
    this.#slot = slot
    this.#life = life
    this.#disk = [...life.disk]
    this.#sent = [...life.sent]
    this.#unsynced = life.unsynced
  }

  take(input: SlotInput): void {
    for (const effect of this.#slot?.step(input) ?? []) {
      if (effect.kind === 'persist') this.#unsynced = effect.ballot
      if (effect.kind === 'send') this.#send(effect.ballot)
      if (effect.kind === 'decided') this.decided = { batch: effect.batch }
      if (effect.kind === 'violation') throw new Violation('a member is seen to say two things')
    }
  }

  sync(): void {
    if (!this.#unsynced) return
    this.#disk.push(this.#unsynced)
    this.#unsynced = undefined
    this.take({ kind: 'persisted' })
  }

  /** Says everything again that is on the disk. */
  repeat(): void {
    for (const ballot of this.#disk) this.#send(ballot)
  }

  life(): Life {
    const { electorate: current, memory } = this.#life
    return {
      electorate: current,
      memory: this.#slot?.state ?? memory,
      disk: this.#disk,
      unsynced: this.#unsynced,
      sent: this.#sent,
    }
  }

  #send(ballot: Ballot): void {
    if (!this.#disk.some((durable) => text(durable) === text(ballot))) {
      throw new Violation(`sent before it was durable: ${text(ballot)}`)
    }
    const earlier = this.#sent.find((other) => roundOf(other) === roundOf(ballot))
    if (earlier && text(earlier) !== text(ballot)) {
      throw new Violation(`said ${text(earlier)} and then ${text(ballot)}`)
    }
    if (!earlier) this.#sent.push(ballot)
    this.said.push(ballot)
  }
}

/** The decisions after `edge`, if it breaks no property. */
function checked(state: State, self: number, edge: Edge): readonly string[] {
  for (const ballot of edge.sent) {
    if (ballot.stage !== 'proposal' && !isProposed(state, edge.slot, ballot.batch)) {
      throw violation(state, self, `${text(ballot)} names what nobody proposed`)
    }
    if (ballot.stage === 'vote' && ballot.value !== '?') checkVote(state, self, edge.slot, ballot)
  }
  if (!edge.decided) return state.decisions
  const batch = String(edge.decided.batch)
  const before = state.decisions[edge.slot - 1]
  if (before === batch) return state.decisions
  if (before !== undefined) throw violation(state, self, `decided ${before} and ${batch}`)
  const isOwn = edge.sent[0]?.stage === 'proposal' && edge.sent[0].batch === edge.decided.batch
  if (!isOwn && !isProposed(state, edge.slot, edge.decided.batch)) {
    throw violation(state, self, `decided ${batch}, which nobody proposed`)
  }
  return [...state.decisions, batch]
}

function isProposed(state: State, slot: number, batch: BatchId | undefined): boolean {
  if (batch === undefined) return true
  return state.members.some(({ lives }) => lives[slot - 1]?.sent[0]?.batch === batch)
}

/** In one phase, all votes that are not '?' are the same. */
function checkVote(state: State, self: number, slot: number, ballot: Ballot): void {
  for (const { lives } of state.members) {
    for (const other of lives[slot - 1]?.sent ?? []) {
      if (other.stage !== 'vote' || other.phase !== ballot.phase || other.value === '?') continue
      if (other.value !== ballot.value || other.batch !== ballot.batch) {
        throw violation(state, self, `votes ${text(other)} and ${text(ballot)} in one phase`)
      }
    }
  }
}

function violation(state: State, self: number, what: string): Violation {
  const members = state.members.map(
    ({ lives }, i) => `${i === self ? '>' : ' '} ${lives.map(keyOf)}`,
  )
  return new Violation([what, ...members].join('\n'))
}

/** What a crash leaves. Whatever is durable of the second slot was written after the decision of the first. */
function* crashes(lives: readonly Life[]): Iterable<Action> {
  const { disk, unsynced } = lives.at(-1) as Life
  yield { kind: 'crash', keepsUnsynced: false, keepsDecision: true }
  if (unsynced) yield { kind: 'crash', keepsUnsynced: true, keepsDecision: true }
  if (lives.length > 1 && disk.length === 0) {
    yield { kind: 'crash', keepsUnsynced: false, keepsDecision: false }
  }
}

/** Whether an equal member has been looked at already. */
function isRepeated(members: readonly Member[], self: number): boolean {
  return members.indexOf(members[self]!) < self
}

/** Each ballot that others have sent in the slot of `self`, if its round is not over. */
function singles(state: State, self: number): Heard[][] {
  const slot = state.members[self]!.lives.length
  const round = currentRound(state.members[self]!.lives.at(-1)!)
  const all = ballotsOfOthers(state, self, slot)
  return all.filter((heard) => roundOf(heard.ballot) >= round).map((heard) => [heard])
}

/** The ballots of the current round, in all combinations of senders. */
function quorums(state: State, self: number): Heard[][] {
  const { lives } = state.members[self]!
  const round = currentRound(lives.at(-1)!)
  const isOfRound = (heard: Heard): boolean => roundOf(heard.ballot) === round
  let combinations: Heard[][] = [[]]
  for (const heard of ballotsOfOthers(state, self, lives.length).filter(isOfRound)) {
    combinations = combinations.flatMap((combination) => [combination, [...combination, heard]])
  }
  return combinations
}

/** Ballots of the current round of `self`, but of the slot before: they must not count. */
function strays(state: State, self: number): Heard[] {
  const { lives } = state.members[self]!
  if (lives.length === 1) return []
  const round = currentRound(lives.at(-1)!)
  return ballotsOfOthers(state, self, 1).filter((heard) => roundOf(heard.ballot) === round)
}

function ballotsOfOthers(state: State, self: number, slot: number): Heard[] {
  return state.members.flatMap(({ lives }, sender) => {
    const life = lives[slot - 1]
    if (sender === self || !life) return []
    return life.sent.map((ballot) => ({ sender, slot, epoch: life.electorate.epoch, ballot }))
  })
}

function currentRound({ memory }: Life): number {
  return memory.pending ? memory.own.length : memory.own.length - 1
}

function roundOf({ stage, phase }: Ballot): number {
  return stage === 'proposal' ? 0 : stage === 'state' ? 2 * phase - 1 : 2 * phase
}

function emptyLife(members: Electorate): Life {
  return { electorate: members, memory: emptySlot(), disk: [], unsynced: undefined, sent: [] }
}

/** Nothing is remembered of others: just the own ballot of a round that is open. */
function isPlain({ memory }: Life, self: number): boolean {
  const { own, pending, decision, heard } = memory
  if (own.length === 0 || pending || decision || heard.size !== 1) return false
  const tally = heard.get(own.length - 1)
  return !!tally?.every((ballot, i) => ballot === (i === self ? own.at(-1) : undefined))
}

function plain(life: Life): Life {
  return { ...life, memory: { ...life.memory, heard: new Map() } }
}

/** The memory as `self` has it: the inverse of `plain`. */
function remembered({ memory, electorate: { members } }: Life, self: number): SlotState {
  const { own, pending, decision } = memory
  const heard = new Map([...memory.heard].map(([round, tally]) => [round, [...tally]]))
  if (heard.size === 0 && own.length > 0 && !pending && !decision) {
    heard.set(
      own.length - 1,
      members.map((_, i) => (i === self ? own.at(-1) : undefined)),
    )
  }
  return { own: [...own], pending, heard, decision }
}

/** Everything about a life, except what was said in rounds that are `over`. */
function keyOf({ electorate: { epoch }, memory, disk, unsynced, sent }: Life, over = 0): string {
  const list = (ballots: readonly Ballot[]): string =>
    ballots.map((ballot) => (roundOf(ballot) < over ? '' : text(ballot))).join()
  const own = list(memory.own)
  const orSame = (ballots: readonly Ballot[]): string =>
    list(ballots) === own ? '=' : list(ballots)
  const heard = [...memory.heard].map(([round, tally]) => `${round}:${tally.map(text)}`).sort()
  const decision = memory.decision ? `!${memory.decision.decided}` : ''
  const parts = [epoch, own, text(memory.pending), text(unsynced), orSame(disk), orSame(sent)]
  return [...parts, decision, ...heard].join('|')
}

function nameOf(action: Action): string {
  if (action.kind !== 'hear') return JSON.stringify(action)
  const heard = action.ballots.map((it) => `${it.sender}.${it.slot}.${it.epoch}${text(it.ballot)}`)
  return `${action.thenSync}${heard}`
}

function text(ballot: Ballot | undefined): string {
  return ballot ? `${ballot.stage[0]}${ballot.phase}=${ballot.value}${ballot.batch ?? ''}` : ''
}
