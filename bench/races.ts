import { verifyLedger } from '../src/store/verify.ts'
import { raceForLastLoaves, racingHouseholds } from '../test/requirements/last-loaves.ts'
import { loadHouseholds } from '../test/requirements/requirements-world.ts'
import { startTestSwitch } from '../test/support/switch.ts'
import { note, progress } from './terminal.ts'

/**
 * `npm run races`: two cards of a household ask for its last loaves at once, over two links, as often as is said (1,000
 * unless told). Prints in how many rounds exactly one won; exits 1 when that is not all of them, or the ledger is not sound.
 */
const ROUNDS = 1_000
const FIRST_HOUSEHOLD = 10_000
const SHOWN = 100

const ends: (() => unknown)[] = []

async function race(rounds: number): Promise<boolean> {
  const world = await startTestSwitch({ teardown: (work) => ends.push(work) }, { households: 60 })
  const { rows, homes } = racingHouseholds(world.world.keys, FIRST_HOUSEHOLD, rounds)
  note((await loadHouseholds(world, rows)).trim())
  const { oneWinner, otherwise } = await raceForLastLoaves(world, homes, (done) => {
    if (done % SHOWN === 0) progress(`${done} of ${rounds} rounds`)
  })
  progress('')
  const unsound = (await verifyLedger(world.databaseUrl)).filter(({ ok }) => !ok)
  for (const codes of otherwise) note(`a round was answered ${codes}`)
  for (const { name, detail } of unsound) note(`${name}: ${detail}`)
  process.stdout.write(
    `exactly one card won: ${oneWinner} of ${rounds} rounds; the ledger is sound: ${unsound.length === 0}\n`,
  )
  return oneWinner === rounds && unsound.length === 0
}

const rounds = Number(process.argv[2] ?? ROUNDS)
if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100_000) {
  process.stderr.write('races: say how many rounds, 1 to 100000\n')
  process.exitCode = 1
} else {
  try {
    if (!(await race(rounds))) process.exitCode = 1
  } finally {
    for (const end of ends.reverse()) await end()
  }
}
