// Prints `N passed, N failed` for the reports (vitest's JSON) in a directory. Arguments: the exit status of the run, the
// directory. Exits with 1 when the run claims success and the reports do not bear it out.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const [status, directory] = process.argv.slice(2)
const reports = readdirSync(directory).map((name) => {
  return { name, ...JSON.parse(readFileSync(join(directory, name), 'utf8')) }
})

let passed = 0
let failed = 0
for (const report of reports) {
  passed += report.numPassedTests
  failed += report.numFailedTests
  // A file that cannot be loaded has failed without a test of its own.
  failed += report.testResults.filter(
    (file) =>
      file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length
}

// What these need is there or was brought: none of their tests has a reason not to run.
for (const suite of status === '0' ? ['clients', 'containers'] : []) {
  const report = reports.find(({ name }) => name === `${suite}.json`)
  if (report === undefined) failed += complain(`the suite ${suite} left no report`)
  else if (report.numPassedTests === 0) failed += complain(`no test of the suite ${suite} ran`)
  else if (report.numPendingTests > 0)
    failed += complain(`${report.numPendingTests} tests of the suite ${suite} were skipped`)
}
if (status !== '0' && failed === 0)
  failed += complain('a step failed that is not a test; see above')

process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1

function complain(text) {
  process.stderr.write(`${text}\n`)
  return 1
}
