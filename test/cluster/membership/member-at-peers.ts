/** A member that talks over TCP to peers whose words a test decides on. */
import type { NodeId } from '../../../src/base/ids.ts'
import { ControlMachine, type MembershipSnapshot } from '../../../src/cluster/control/index.ts'
import type { Founding } from '../../../src/cluster/membership/home.driver.ts'
import { ClusterMember } from '../../../src/cluster/membership/member.driver.ts'
import { genesis } from '../../../src/cluster/rabia/index.ts'
import { TcpTransport } from '../../../src/cluster/wire/transport.tcp.ts'
import { SnapshotFile } from '../../../src/storage/snapshot.disk.ts'
import { freePort } from '../../fixture/port.ts'
import { DiskTwin } from '../../twin/disk.ts'
import { openTwinStorage } from '../fixture.ts'
import { QUICK, SECRET } from '../wire/fixture.ts'

export type MemberSetting = {
  readonly self: NodeId
  readonly founding: Founding
  /** Empty if absent. */
  readonly disk?: DiskTwin
  readonly address: string
}

export type RunningMember = {
  readonly member: ClusterMember
  readonly disk: DiskTwin
  /** What it has told its operator. */
  readonly said: readonly string[]
  readonly close: () => Promise<void>
}

export async function startMember({
  disk = new DiskTwin(),
  address,
  ...setting
}: MemberSetting): Promise<RunningMember> {
  const storage = await openTwinStorage(disk)
  const said: string[] = []
  const [, port] = address.split(':')
  try {
    const member = await ClusterMember.open({
      disk,
      directory: '/data',
      storage,
      cluster: 'test',
      address,
      meter: { applied() {}, synced() {}, saved() {} },
      report: (_, message, detail) => said.push(`${message} ${JSON.stringify(detail)}`),
      connect: (callbacks) =>
        new TcpTransport({
          ...callbacks,
          secret: SECRET,
          listen: { host: '127.0.0.1', port: Number(port) },
          limits: QUICK,
        }),
      ...setting,
    })
    await member.start()
    const close = async () => {
      await member.close()
      await storage.close()
    }
    return { member, disk, said, close }
  } catch (fault) {
    await storage.close()
    throw fault
  }
}

/** The disk of a member that has started once, and has since come to these members. */
export async function diskAt(
  setting: MemberSetting,
  members: MembershipSnapshot,
): Promise<DiskTwin> {
  const { close, disk } = await startMember(setting)
  await close()
  const storage = await openTwinStorage(disk)
  const path = '/data/consensus/snapshot'
  const { failStop } = storage
  const { file } = await SnapshotFile.open({ disk, path, failStop, admit: async () => true })
  const machine = new ControlMachine()
  machine.membership.restore(members)
  await file.save(genesis(machine).bytes)
  await storage.close()
  return disk
}

/** An address at which nobody listens yet. */
export async function freeAddress(): Promise<string> {
  return `127.0.0.1:${await freePort()}`
}
