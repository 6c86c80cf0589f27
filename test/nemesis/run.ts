/**
 * `npm run nemesis -- [--minutes M] [--seed S] [--nodes 3] [--only kind]…`: real nodes, real clients, and everything that
 * can be done to them from outside; then whether what the clients saw could have been one copy. Half of the time there are
 * three nodes, half five. Exit code 1 when the verdict is bad.
 */
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeCampaign, runCampaign } from './campaign.ts'
import { STEP_KINDS, type StepKind } from './plan.ts'

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    nodes: { type: 'string', multiple: true, default: ['3', '5'] },
    only: { type: 'string', multiple: true, default: [] },
    clients: { type: 'string', default: '12' },
    directory: { type: 'string', default: tmpdir() },
  },
})

// Not left to the event loop: it has been seen to spin on what the sockets of killed nodes leave behind.
process.exit(await main())

async function main(): Promise<number> {
  const seed = Number(flags.seed ?? Math.floor(Math.random() * 2 ** 31))
  const kinds = STEP_KINDS.filter((kind) => flags.only.length === 0 || flags.only.includes(kind))
  if (kinds.length === 0) {
    console.error(`nemesis: nothing of that name; steps are ${STEP_KINDS.join(', ')}`)
    return 2
  }
  const sizes = flags.nodes.map(Number)
  const seconds = (Number(flags.minutes) * 60) / sizes.length
  const again = [
    '--seed',
    seed,
    '--minutes',
    flags.minutes,
    ...sizes.flatMap((n) => ['--nodes', n]),
  ]
  console.log(`seed ${seed}; the same plan again: npm run nemesis -- ${again.join(' ')}`)
  let isWell = true
  for (const nodes of sizes) {
    const campaign = await runCampaign({
      seed,
      nodes,
      seconds,
      kinds: kinds as readonly StepKind[],
      clients: Number(flags.clients),
      directory: flags.directory,
      log: (line) => console.log(line),
    })
    console.log(describeCampaign(campaign))
    if (campaign.faults.length > 0) {
      isWell = false
      const path = join(flags.directory, `nemesis-${seed}-${nodes}.json`)
      writeFileSync(path, JSON.stringify(campaign.history))
      console.log(`the history is in ${path}`)
    }
  }
  console.log(isWell ? 'nemesis: pass' : `nemesis: FAILED, seed ${seed}`)
  return isWell ? 0 : 1
}
