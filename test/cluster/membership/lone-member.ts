import type { NodeId } from '../../../src/base/ids.ts'
import { ClusterMember } from '../../../src/cluster/membership/member.driver.ts'
import type { Disk } from '../../../src/storage/index.ts'
import type { Storage } from '../../../src/storage/storage.disk.ts'

export const n1 = 'n1' as NodeId

/** The only member of its cluster, as a node runs it; it has started. */
export async function openLoneMember(
  storage: Storage,
  disk: Disk,
  directory: string,
): Promise<ClusterMember> {
  const member = await ClusterMember.open({
    disk,
    directory,
    storage,
    cluster: 'test',
    self: n1,
    founding: { kind: 'form', roster: new Map([[n1, '']]) },
    address: '',
    meter: { applied() {}, synced() {}, saved() {} },
    report() {},
  })
  await member.start()
  return member
}
