import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { randomTests } from '../scripts/properties.ts'

const repository = path.resolve(import.meta.dirname, '..')
const before = pathToFileURL(path.join(repository, 'test', 'support', 'fast-check-runs.ts')).href
const counting = `
  import fc from 'fast-check'
  let runs = 0
  const count = fc.property(fc.nat(), () => void runs++)
  fc.assert(count, { numRuns: 7 })
  fc.assert(count)
  await fc.assert(fc.asyncProperty(fc.nat(), async () => void runs++), { numRuns: 2, seed: 1 })
  console.log(runs, fc.check(count, { numRuns: 5 }).numRuns)`

/** What a program says that counts its runs, loaded as `npm run properties` loads tests. */
function counted(times: string) {
  const args = ['--import', before, '--input-type=module', '-e', counting]
  const env = { PATH: process.env.PATH, MIZAN_PROPERTY_RUNS: times }
  return spawnSync(process.execPath, args, { cwd: repository, env, encoding: 'utf8' })
}

t.test('what a property states, and the default, is multiplied', async (t) => {
  t.equal(counted('3').stdout, `${3 * (7 + 100 + 2)} 15\n`)
  const refused = counted('many')
  t.equal(refused.status, 1)
  t.match(refused.stderr, /MIZAN_PROPERTY_RUNS is a whole number from 1 to 100000, not "many"/)
})

t.test('random tests are found, also where another file draws for them', async (t) => {
  const files = randomTests()
  t.ok(files.includes('test/money.test.ts'))
  t.ok(files.includes('test/security/emv-keys.test.ts'), 'by a file that it imports')
  t.ok(files.includes('test/switch/mutations.test.ts'), 'with a seed of its own')
  t.notOk(files.includes('test/whole-file.test.ts'))
})
