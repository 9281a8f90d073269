import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { faultsOf, requirementsPage, resultsByFile, shownTests } from './docs/requirements.ts'

/**
 * Writes docs/requirements.md from what the test run has just shown: each requirement with the tests that are named by
 * its id (`M10: …`) and passed. Runs after `npm test`; exits 1 when a requirement that must have a test has none, or one
 * of its tests failed. A run of some files only leaves the page as it is.
 */
const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const tapFolder = path.join(repository, '.tap')

/** Programs of the last run, test files and groups of them among others. Results of earlier runs stay beside its own, but of its processes alone there is a note. */
function lastRun(): ReadonlySet<string> {
  const files = globSync('processinfo/*-*.json', { cwd: tapFolder })
  return new Set(
    files.map((file) => {
      const { argv = [] } = JSON.parse(readFileSync(path.join(tapFolder, file), 'utf8')) as { argv?: string[] }
      return path.relative(repository, argv[1] ?? '').replaceAll(path.sep, '/')
    }),
  )
}

const files = globSync('test/**/*.test.ts', { cwd: repository })
  .map((file) => file.replaceAll(path.sep, '/'))
  .sort()
const resultsFile = (program: string) => path.join(tapFolder, 'test-results', `${program}.tap`)
const results = new Map(
  Array.from(lastRun())
    .filter((program) => existsSync(resultsFile(program)))
    .flatMap((program) => resultsByFile(program, readFileSync(resultsFile(program), 'utf8'))),
)
const left = files.filter((file) => !results.has(file))
if (left.length > 0) {
  console.error(`docs/requirements.md is left as it is: ${left.length} of ${files.length} test files were not run`)
} else {
  const shown = files.flatMap((file) => shownTests(file, results.get(file) ?? ''))
  const faults = faultsOf(shown)
  for (const fault of faults) console.error(fault)
  if (faults.length > 0) process.exitCode = 1
  else writeFileSync(path.join(repository, 'docs', 'requirements.md'), requirementsPage(shown))
}
