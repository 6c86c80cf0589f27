/**
 * `npm run nemesis -- [--minutes M] [--seed S] [--load control|repository|both] [--nodes 3] [--only kind]…`: real nodes, real
 * clients, and everything that can be done to them from outside; then whether what the clients of the control store saw could
 * have been one copy, and whether the repository has everything that it acknowledged, at every node. Half of the time there
 * are three nodes, half five. Exit code 1 when the verdict is bad.
 */
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeCampaign, runCampaign } from './campaign.ts'
import { MEMBER_STEPS, STEP_KINDS, type StepKind } from './plan.ts'

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    nodes: { type: 'string', multiple: true, default: ['3', '5'] },
    only: { type: 'string', multiple: true, default: [] },
    load: { type: 'string', default: 'both' },
    clients: { type: 'string', default: '12' },
    builders: { type: 'string', default: '12' },
    directory: { type: 'string', default: tmpdir() },
  },
})

// Not left to the event loop: it has been seen to spin on what the sockets of killed nodes leave behind.
process.exit(await main())

async function main(): Promise<number> {
  const seed = Number(flags.seed ?? Math.floor(Math.random() * 2 ** 31))
  if (!['control', 'repository', 'both'].includes(flags.load)) {
    console.error('nemesis: --load is control, repository or both')
    return 2
  }
  const kinds = STEP_KINDS.filter(isWanted)
  if (kinds.length === 0) {
    console.error(`nemesis: no such step for this load; steps are ${STEP_KINDS.join(', ')}`)
    return 2
  }
  const sizes = flags.nodes.map(Number)
  const seconds = (Number(flags.minutes) * 60) / sizes.length
  const again = [
    '--seed',
    seed,
    '--minutes',
    flags.minutes,
    '--load',
    flags.load,
    ...sizes.flatMap((n) => ['--nodes', n]),
  ]
  console.log(`seed ${seed}; the same plan again: npm run nemesis -- ${again.join(' ')}`)
  let isWell = true
  for (const nodes of sizes) {
    const campaign = await runCampaign({
      seed,
      nodes,
      seconds,
      kinds,
      clients: flags.load === 'repository' ? 0 : Number(flags.clients),
      builders: flags.load === 'control' ? 0 : Number(flags.builders),
      directory: flags.directory,
      log: (line) => console.log(line),
    })
    console.log(describeCampaign(campaign))
    if (campaign.faults.length > 0) {
      isWell = false
      if (campaign.control === undefined) continue
      const path = join(flags.directory, `nemesis-${seed}-${nodes}.json`)
      writeFileSync(path, JSON.stringify(campaign.control.history))
      console.log(`the history is in ${path}`)
    }
  }
  console.log(isWell ? 'nemesis: pass' : `nemesis: FAILED, seed ${seed}`)
  return isWell ? 0 : 1
}

/** What members hold does not move to others yet, so with a repository the members stay the same. */
function isWanted(kind: StepKind): boolean {
  if (flags.load !== 'control' && MEMBER_STEPS.has(kind)) return false
  return flags.only.length === 0 || flags.only.includes(kind)
}
