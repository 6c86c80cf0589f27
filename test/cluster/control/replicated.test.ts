import { describeControlCrashes, describeControlStore } from '../../conformance/control.ts'
import { hostReplicated } from './replicated-host.ts'

for (const size of [1, 3]) {
  const name = `the replicated control state of ${size} node${size > 1 ? 's' : ''}`
  describeControlStore(name, async () => hostReplicated(size))
  describeControlCrashes(name, async () => hostReplicated(size))
}
