import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { programmeCatalogue } from '../../src/benefit/programme-book.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { businessDate, civilDate, civilTime } from '../../src/calendar.ts'
import { cairoBusinessDate, cairoDate, cairoTime, datesOf, midnightOf } from '../../src/simulation/cairo.ts'
import { Chance } from '../../src/simulation/chance.ts'
import { runSeed } from '../../src/simulation/run-seed.ts'
import { mutations } from './mutations.ts'

const repository = path.resolve(import.meta.dirname, '..', '..')
const catalogue = programmeCatalogue(shippedProgrammes)

t.test('a seed gives the same events twice, and in another process', async (t) => {
  const options = { seed: 7, events: 60 }
  const first = await runSeed(catalogue, options)
  t.equal(first.promise, undefined, first.detail ?? 'it ends')
  const second = await runSeed(catalogue, options)
  t.equal(second.digest, first.digest)
  const args = [path.join(repository, 'src', 'cli.ts'), 'sim', '--seed', '7', '--events', '60', '--json']
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  t.equal((JSON.parse(stdout) as { digest: string }).digest, first.digest)
  t.not((await runSeed(catalogue, { ...options, seed: 8 })).digest, first.digest)
})

t.test('promises hold over some seeds', async (t) => {
  for (const seed of [11, 27, 74, 91, 101]) {
    const { promise, detail, approvals } = await runSeed(catalogue, { seed, events: 80 })
    t.equal(promise, undefined, `seed ${seed}: ${detail}`)
    t.ok(approvals > 0)
  }
})

t.test('the auditor’s calendar agrees with the program’s, over years with daylight time', (t) => {
  const chance = new Chance(1)
  for (let count = 0; count < 3_000; count++) {
    const instantMs = Math.floor(midnightOf(20_240_101) + chance.next() * 5 * 365 * 86_400_000)
    const same =
      civilDate(instantMs) === cairoDate(instantMs) &&
      civilTime(instantMs).time === cairoTime(instantMs) &&
      businessDate(instantMs, 1_350) === cairoBusinessDate(instantMs, 1_350)
    if (!same) t.fail(`they differ at ${instantMs}`)
  }
  t.equal(datesOf(202_802).length, 29)
  t.end()
})

t.test('each planted defect has its place in the program', (t) => {
  t.ok(mutations.length >= 20)
  for (const { name, file, from, to } of mutations) {
    const text = readFileSync(path.join(repository, 'src', file), 'utf8')
    t.equal(text.split(from).length - 1, 1, `${name}: ${file}`)
    t.not(from, to)
  }
  t.end()
})
