import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import { addDays, businessDate, type CivilDate, formatDate } from '../../src/calendar.ts'
import { cutoverCommand } from '../../src/commands/cutover.ts'
import { readDay, readDayEvents } from '../../src/store/clearing/business-day.ts'
import { askCutover } from '../../src/store/clearing/business-day-ask.ts'
import { connect } from '../../src/store/connection.ts'
import { commandRunner } from '../support/command.ts'
import { masterKeyHex, writerWorld } from '../support/writer.ts'

const CUTOVER_MINUTES = 1_350
const HOUR_MS = 3_600_000
const clock = Date.now

t.test('mizan cutover by the clocks of this machine and of the database', async (suite) => {
  const { url } = await writerWorld(suite, { households: 1 })
  const folder = mkdtempSync(path.join(os.tmpdir(), 'mizan-cutover-'))
  const client = await connect({ url, name: 'mizan test', role: 'mizan_app' })
  suite.teardown(async () => {
    Date.now = clock
    await client.end()
    rmSync(folder, { recursive: true, force: true })
  })
  const basis = { DATABASE_URL: url, MIZAN_VAR: folder, MIZAN_MASTER_KEY: masterKeyHex }
  const command = commandRunner({ ...basis, MIZAN_ENV: 'production' })
  const byHour = (hours: number) => businessDate(clock() + hours * HOUR_MS, CUTOVER_MINUTES)
  /** The command on a machine whose clock differs from the database's, with the days known of it and before. */
  const cutover = async (hours: number, ...args: string[]) => {
    Date.now = () => clock() + hours * HOUR_MS
    try {
      return await command(cutoverCommand, args)
    } finally {
      Date.now = clock
    }
  }
  const openDay = byHour(0)
  // The days of the world before it are another clock's.
  await client.query('insert into business_day (business_date) values ($1)', [formatDate(openDay)])

  await suite.test('in production the open day ends only by its name', async (test) => {
    const found = await cutover(0)
    test.equal(found.status, 1)
    test.match(found.errors, new RegExp(`no business day is over; --date ${formatDate(openDay)} ends the open one`))
    test.notMatch(found.errors, /the clock here/, 'clocks that agree are not told of')
    test.match(await readDay(client, openDay), { state: 'open' })
    test.same(await readDayEvents(client, 10, openDay), [], 'nothing was asked for')
  })

  await suite.test('a clock that differs is told, and the earlier one counts', async (test) => {
    const ahead = await cutover(48)
    test.match(ahead.errors, /the clock here is 172800 s ahead of that of the database: the earlier one counts/)
    test.match(ahead.errors, /no business day is over/, 'a clock that is two days ahead ends no day')
    test.match(await readDay(client, openDay), { state: 'open' })
    const ended = await cutover(48, '--date', formatDate(addDays(openDay, 1)))
    test.match(ended.errors, /has not begun: by the clock it is/)
    const behind = await cutover(-48, '--date', formatDate(openDay))
    test.match(behind.errors, /the clock here is 172800 s behind that of the database/)
    test.match(behind.errors, new RegExp(`has not begun: by the clock it is ${formatDate(byHour(-48))}`))
    test.match(await readDay(client, openDay), { state: 'open' })
    test.notMatch((await cutover(50 / 3_600)).errors, /the clock here/, 'less than a minute is nothing')
  })

  await suite.test('what is over ends without being named, also in production', async (test) => {
    const ask = (byClock: CivilDate, date?: CivilDate) =>
      askCutover(client, { date, byClock, by: 'test', mayEndEarly: false })
    await test.rejects(ask(openDay), { code: 'CONFLICT', message: /no business day is over/ })
    test.match(await ask(addDays(openDay, 1)), { date: openDay, asked: [openDay], state: 'closing' })
    const next = addDays(openDay, 1)
    test.match(
      await ask(next, next),
      { date: next, state: 'closing' },
      'an open day that is named ends before its time',
    )
  })
})
