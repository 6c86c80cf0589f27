import type { NodeId } from '../base/ids.ts'
import type { OutcomeUnknown, Unavailable } from '../base/port.ts'
import type { AddRefusal, RemoveRefusal } from '../cluster/membership/index.ts'
import { type ApiRefusal, notFound, RETRY_SOON } from './api-refusal.ts'
import type { OtherRestart } from './restart.ts'

/** The answer to an addition of `id` that was refused. */
export function addRefusal(id: NodeId, refusal: AddRefusal): ApiRefusal {
  switch (refusal.kind) {
    case 'not-waiting': {
      const waiting = refusal.waiting.join(', ') || 'none'
      const next = `Start ${id} with join = true and the peers of this cluster, then add it.`
      return conflict(refusal.kind, `${id} does not ask to join; waiting: ${waiting}.`, next)
    }
    case 'already-member': {
      const next = `If it has lost its disk: aether cluster remove ${id}, and add it then.`
      return conflict(refusal.kind, `${id} is a member already.`, next)
    }
    default:
      return changeRefusal(refusal)
  }
}

/** The answer to a removal of `id` that was refused. */
export function removeRefusal(id: NodeId, refusal: RemoveRefusal): ApiRefusal {
  switch (refusal.kind) {
    case 'not-a-member':
      return notAMember(id, refusal.members)
    case 'last-voter': {
      const next = 'Add another node first: aether cluster add <node>.'
      return conflict(refusal.kind, `${id} is the last voter; without it nothing is decided.`, next)
    }
    case 'would-lose-quorum': {
      const reachable = refusal.reachable.join(', ') || 'none'
      const detail = `Without ${id} the voters that can be reached are no quorum: ${reachable}.`
      const next = 'Start the voters that are down, or add a node, and try again.'
      return conflict(refusal.kind, detail, next)
    }
    default:
      return changeRefusal(refusal)
  }
}

/** The answer to the wish that `id` restart, when it cannot be made. */
export function restartRefusal(
  id: NodeId,
  refusal:
    | OtherRestart
    | Unavailable
    | OutcomeUnknown
    | { readonly kind: 'not-a-member'; readonly members: readonly NodeId[] }
    | { readonly kind: 'down' },
): ApiRefusal {
  switch (refusal.kind) {
    case 'not-a-member':
      return notAMember(id, refusal.members)
    case 'down':
      return conflict(refusal.kind, `${id} is down.`, `Start it: aether start --config …`)
    case 'other-restart': {
      const { kind, node } = refusal
      const next = `If it does not come back: start it, or aether cluster remove ${node}.`
      return conflict(kind, `${node} was asked to restart and is not back yet.`, next)
    }
    default:
      return changeRefusal(refusal)
  }
}

function notAMember(id: NodeId, members: readonly NodeId[]): ApiRefusal {
  const { problem } = notFound(`${id} is not a member; members are ${members.join(', ')}.`)
  return { problem: { ...problem, kind: 'not-a-member' } }
}

function changeRefusal(
  refusal: Unavailable | OutcomeUnknown | { readonly kind: 'other-change' },
): ApiRefusal {
  const { kind } = refusal
  const next = 'See what holds now: aether cluster status.'
  switch (kind) {
    case 'unavailable': {
      const problem = {
        status: 503,
        title: 'Unavailable',
        detail: `${refusal.reason}.`,
        kind,
        next,
      }
      return { problem, headers: RETRY_SOON }
    }
    case 'outcome-unknown': {
      const detail = `It is not known whether this was done: ${refusal.reason}.`
      return { problem: { status: 504, title: 'Outcome unknown', detail, kind, next } }
    }
    case 'other-change':
      return conflict(kind, 'Somebody else has changed the members meanwhile.', next)
  }
}

function conflict(kind: string, detail: string, next: string): ApiRefusal {
  return { problem: { status: 409, title: 'Conflict', detail, kind, next } }
}
