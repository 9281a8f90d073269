import { readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import { cutoverCommand } from '../../src/commands/cutover.ts'
import { LineInput } from '../../src/commands/line-input.ts'
import { transaction, unitDraw } from '../../src/simulator/messages.ts'
import { readDay, readSteps } from '../../src/store/clearing/business-day.ts'
import { listFiles } from '../../src/store/clearing/files.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { startTestSwitch } from '../support/switch.ts'

const WAIT_MS = 60_000
const FIRST = 20_261_111 as CivilDate
const SECOND = 20_261_112 as CivilDate

/** Waits until something holds. */
async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + WAIT_MS; ; ) {
    const found = await look()
    if (found !== undefined) return found
    if (Date.now() > deadline) throw new Error(`${what} did not come about`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

const world = await startTestSwitch(t, {
  households: 60,
  config: {
    jobs: { enabled: true },
    businessDay: { cutoverOnMessageOf: 'visa', automatic: false, lookAgainSeconds: 1 },
  },
})
const { client, databaseUrl, clock } = world

/** `mizan cutover` beside the switch, of the database and the folder of the switch. */
async function mizan(...words: string[]): Promise<{ out: string; notes: string }> {
  let out = ''
  let notes = ''
  const io = {
    env: { DATABASE_URL: databaseUrl, MIZAN_MASTER_KEY: 'a5'.repeat(32), MIZAN_VAR: world.varDir },
    out: (text: string) => {
      out += text
    },
    note: (text: string) => {
      notes += text
    },
    openInput: () => new LineInput(),
    readText: (file: string) => readFileSync(file, 'utf8'),
  }
  const config = path.join(path.dirname(world.varDir), 'config.json')
  await cutoverCommand(io).parseAsync(['node', 'cutover', ...words, '--config', config])
  return { out, notes }
}

async function trade(): Promise<void> {
  const { card, governorate } = world.household({ members: 3 })
  const [grocer, bakery] = (['grocer', 'bakery'] as const).map((category) => world.place(category, governorate))
  if (grocer === undefined || bakery === undefined) throw new Error('the world has no places')
  const draw = unitDraw({ card, terminal: bakery, quantity: 5, pricePiasters: 20, days: 1 })
  const answers = [
    await world.pos.ask(draw),
    await world.pos.ask(transaction('purchase', { card, terminal: grocer, amountPiasters: 1_500 })),
    await world.visa.ask(transaction('purchase', { card, terminal: grocer, amountPiasters: 2_500, from: '20' })),
  ]
  t.same(
    answers.map(({ answer }) => answer.code),
    ['00', '00', '00'],
  )
}

t.test('a network’s message ends the day, and the switch does all its steps', async (t) => {
  await trade()
  const { code } = await world.visa.network('201', { 15: '1111' })
  t.equal(code, '00')
  await until('the end of the day', async () => ((await readDay(client, FIRST))?.state === 'closed' ? true : undefined))
  t.match(await readDay(client, FIRST), { askedBy: 'message:visa' })
  const steps = await readSteps(client, FIRST)
  t.ok(
    steps.every(({ state }) => state === 'done'),
    steps.map(({ step, words }) => `${step}: ${words}`).join('\n'),
  )
  const files = await listFiles(client, { businessDate: FIRST, direction: 'out' })
  t.ok(['CTF', 'SUB', 'MAN'].every((type) => files.some((file) => file.type === type)))
})

t.test('mizan cutover ends the next one beside the switch, before its time', async (t) => {
  clock.advance(24 * 3_600_000)
  await trade()
  const { out } = await mizan('--date', '2026-11-12', '--json')
  t.match(JSON.parse(out), { businessDate: '2026-11-12', state: 'closed', askedBy: /^system:/ })
  t.match((await mizan('status', '--date', '2026-11-12')).out, /^business day 2026-11-12: closed/)
  t.match((await mizan('history', '--date', '2026-11-12')).out, /close-day done {2}by/)
  await t.rejects(mizan('--date', '2026-13-12'), { code: 'BAD_INPUT' })
  t.match(await readDay(client, SECOND), { state: 'closed' })
  t.same(
    (await verifyLedger(databaseUrl)).filter(({ ok }) => !ok),
    [],
  )
})
