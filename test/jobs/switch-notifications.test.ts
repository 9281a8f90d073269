import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { type CommandIo, processIo } from '../../src/commands/command-io.ts'
import { jobCommand } from '../../src/commands/job.ts'
import { notificationCommand } from '../../src/commands/notification.ts'
import { describeError } from '../../src/errors.ts'
import { unitDraw } from '../../src/simulator/messages.ts'
import { awaitCommand, requestCommand } from '../../src/store/command-requests.ts'
import { registerPerson } from '../../src/store/people-entry.ts'
import { checkPerson } from '../../src/store/people-register.ts'
import { peopleWorld, person } from '../people/people-world.ts'

const WAIT_MS = 60_000
const { world, desk } = await peopleWorld(t, { config: { jobs: { enabled: true } } })
const { client, clock, databaseUrl, varDir } = world
const io = (said: string[]): CommandIo => ({
  ...processIo,
  env: { DATABASE_URL: databaseUrl },
  out: (text) => said.push(text),
})
/** Runs a command line; its output, or why it was refused. */
const mizan = async (name: 'notification' | 'job', ...args: string[]): Promise<string> => {
  const said: string[] = []
  const command = name === 'job' ? jobCommand(io(said)) : notificationCommand(io(said))
  await command.parseAsync(args, { from: 'user' }).catch((error: unknown) => said.push(describeError(error)))
  return said.join('')
}
interface Line {
  readonly idempotencyKey: string
  readonly to: string
  readonly text: string
  readonly template: string
}
const folder = path.join(varDir, 'notifications')
const linesTo = (mobile: string): Line[] => {
  try {
    return readdirSync(folder).flatMap((file) =>
      readFileSync(path.join(folder, file), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Line)
        .filter(({ to }) => to === mobile),
    )
  } catch {
    return []
  }
}
const eventually = async <T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> => {
  const deadline = performance.now() + WAIT_MS
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error('it did not come')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** What became of a message is written down after it went out. */
const whenWritten = () =>
  eventually(async () => {
    const { rows } = await client.query("select from notifications where state in ('waiting', 'new')")
    return rows.length === 0 || undefined
  })

const home = world.household({ members: 4 })
const checked = checkPerson(desk, person(700))
if (Array.isArray(checked)) throw new Error(checked.join('; '))
const head = await registerPerson(desk, checked, { name: 'test' })
const { rows: found } = await client.query<{ lane: number; id: string; card: string }>(
  `select h.lane, h.id, c.id as card from household h join card c on c.lane = h.lane and c.household_id = h.id
   where c.pan_masked = $1`,
  [`${home.card.pan.slice(0, 6)}******${home.card.pan.slice(-4)}`],
)
const { lane = 0, id: household = '0', card = '0' } = found[0] ?? {}
await client.query(
  `insert into household_member (lane, household_id, person_id, role, from_date, source, batch_seq)
   values ($1, $2, $3, 'head', 20260101, 'test', 0)`,
  [lane, household, head],
)
const mobile = '+201000000700'
const lastFour = home.card.pan.slice(-4)
const arabicDigits = (text: string) => text.replaceAll(/[0-9]/g, (one) => String.fromCharCode(0x660 + Number(one)))

t.test('M20 M15: a draw and a block reach the head of household as Arabic messages', async (t) => {
  const draw = unitDraw({
    card: home.card,
    terminal: world.place('bakery', home.governorate),
    from: '93',
    quantity: 15,
    pricePiasters: 300,
  })
  const { answer } = await world.pos.ask(draw)
  t.equal(answer.code, '00')
  const told = await eventually(() => linesTo(mobile).find(({ template }) => template === 'dispense'))
  t.equal(told.text, 'تم صرف ١٥ كيلوجرامًا من الدقيق بدلا من الخبز. المتبقي هذا الشهر: ٢٥ كيلوجرامًا.')

  const asked = await requestCommand(client, {
    lane,
    kind: 'card-status',
    cardId: Number(card),
    householdId: Number(household),
    detail: { status: 'restricted', reason: 'a test', lastFour },
    requestedBy: 'test',
  })
  t.match((await awaitCommand(client, asked, { timeoutMs: WAIT_MS })).end, { done: true })
  const blocked = await eventually(() => linesTo(mobile).find(({ template }) => template === 'card-blocked'))
  t.match(blocked.text, `المنتهية بالرقم \u2066*${arabicDigits(lastFour)}\u2069`)
  const [file = ''] = readdirSync(folder)
  t.equal(file, 'notifications-2026-11-11.ndjson')
  t.equal(statSync(path.join(folder, file)).mode & 0o777, 0o600)
})

t.test('mizan notification: what became of messages, wishes, sending again', async (t) => {
  await whenWritten()
  const listed = JSON.parse(await mizan('notification', 'list', '--household', household, '--json'))
  t.match(listed, [
    { template: 'card-blocked', state: 'sent' },
    { template: 'old-card-stopped', state: 'sent' },
    { template: 'dispense', state: 'sent', parts: 2, attempts: 1 },
  ])
  const id = String(listed[2].id)
  t.match(await mizan('notification', 'show', id), /dispense {2}sent\n {2}sendings that were begun: 1\n/)
  t.match(await mizan('notification', 'preference', household, '--opt-out', 'security'), /may opt out of dispense, ent/)
  t.match(
    await mizan('notification', 'preference', household, '--opt-out', 'dispense', '--language', 'en'),
    /does not want dispense; language en, digits as configured/,
  )
  await mizan('notification', 'preference', '99999999', '--opt-out', 'none').then((said) =>
    t.match(said, /no household/),
  )
  t.match(await mizan('notification', 'resend', id), `notification ${id} waits to be sent again`)
  const again = await eventually(() => linesTo(mobile).find(({ idempotencyKey }) => idempotencyKey.endsWith('-r1')))
  t.equal(again.text, '15 kg of Flour instead of bread dispensed. Left this month: 25 kg.')
  t.match(await mizan('notification', 'list', '--limit', 'many'), /--limit must be a whole number/)
  t.match(await mizan('notification', 'resend', '999999'), /there is no notification 999999/)
  t.match(await mizan('notification', 'preview', 'card-blocked', '--detail', '{"card":"4000"'), /must be JSON/)
})

t.test('mizan job: runs by hand, and what they did', async (t) => {
  t.match(await mizan('job', 'list'), /notice-expiry [\s\S]*notification-purge {2}15 2 \* \* \*/)
  t.match(await mizan('job', 'run', 'notice-expiry'), /done after .*: 0 issues to be cancelled/)
  t.match(await mizan('job', 'run', 'notification-purge'), /done after .*: 0 notifications deleted/)
  t.match(await mizan('job', 'list'), /last begun .*: 0 notifications deleted/)
  t.match(await mizan('job', 'run', 'nothing-such'), /there is no job nothing-such/)
})

t.test('M20: what is left is told once, some days before it lapses', async (t) => {
  const noonMs = clock.nowMs
  t.match(await mizan('job', 'run', 'entitlement-reminder'), /nothing lapses soon/)
  clock.nowMs = Date.parse('2026-11-27T10:00:00+02:00')
  t.match(await mizan('job', 'run', 'entitlement-reminder'), /points: [1-9].*ration: [1-9]\d households told/)
  const told = await eventually(() => linesTo(mobile).find(({ text }) => text.startsWith('Left of Ration goods')))
  t.equal(told.text, 'Left of Ration goods: 200 pounds. It expires on 30 November 2026, in 3 days.')
  t.match(await mizan('job', 'run', 'entitlement-reminder'), /ration: 0 households told/)
  clock.nowMs = noonMs
})

t.test('a restart sends what came while the switch was down, once', async (t) => {
  await client.query(
    `insert into notification (lane, household_id, template, detail, batch_seq, created_at)
     values ($1, $2, 'head-changed', '{}', 1, $3)`,
    [lane, household, new Date(clock.now())],
  )
  await world.restart()
  await eventually(() => linesTo(mobile).find(({ template }) => template === 'head-changed'))
  await world.restart()
  t.equal(linesTo(mobile).filter(({ template }) => template === 'head-changed').length, 1)
})
