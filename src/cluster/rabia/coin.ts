import { utf8 } from '../../base/bytes.ts'
import { sha256 } from '../../base/hash.ts'
import type { Phase, SlotNumber } from './ballot.ts'

/** The coin all members of a slot flip alike (R10); safety never depends on it, only the expected number of phases. */
export type Coin = (epoch: number, slot: SlotNumber, phase: Phase) => 0 | 1

/** One bit of SHA-256 over cluster, epoch, slot and phase: different for each, the same for everybody. */
export function commonCoin(cluster: string): Coin {
  return (epoch, slot, phase) => {
    const digest = sha256(utf8(`${epoch}/${slot}/${phase}/${cluster}`))
    return ((digest[0] as number) & 1) as 0 | 1
  }
}
