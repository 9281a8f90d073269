import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { businessDate, type CivilDate, formatDate } from '../../src/calendar.ts'
import { digestEncrypted } from '../../src/clearing/protection/files.ts'
import { openKeyRoom } from '../../src/clearing/protection/key-room.ts'
import { loadConfig } from '../../src/config/config.ts'
import { readDay, readSteps } from '../../src/store/clearing/business-day.ts'
import { askCutover } from '../../src/store/clearing/business-day-ask.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { withClient } from '../../src/store/database-location.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { deliveryOptions } from '../../src/switch-delivery.ts'
import { ask, purchaseOf, writerWorld } from '../support/writer.ts'

const CUTOVER_MINUTES = 1_350
const RUNS_MAX = 2_000
/**
 * Of the words to the database and the file system, every so many-th is the one before which a process dies:
 * `npm run day:crashes` takes each of them, which is a matter of half an hour.
 */
const EVERY = Number(process.env.MIZAN_DAY_CRASH_EVERY ?? 8)
const DEATHS_MIN = 50 / EVERY
const child = fileURLToPath(new URL('day-crash-process.ts', import.meta.url))
const folder = mkdtempSync(path.join(tmpdir(), 'mizan-day-crash-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

/** Files beside others that vouch for them: made with keys of their own in each database. */
const withKeys = /\.(p7m|p7s)$/

/** What lies in a folder: no temporary file is left of a run that died. */
function filesIn(clearing: string): Record<string, string> {
  const names = readdirSync(clearing, { recursive: true, encoding: 'utf8' }).toSorted()
  const files = names.filter((name) => statSync(path.join(clearing, name)).isFile())
  return Object.fromEntries(
    files.map((name) => {
      const bytes = readFileSync(path.join(clearing, name))
      return [name, withKeys.test(name) ? 'there' : createHash('sha256').update(bytes).digest('hex')]
    }),
  )
}

/** Where a machine worked: its clearing folder, and its configuration. */
interface Place {
  readonly clearing: string
  readonly config: string
}

/** What the encrypted forms of files hold: as much as the register says that the files did. */
async function encryptedOf(client: Client, url: string, date: CivilDate, { clearing, config: file }: Place) {
  const config = loadConfig({ env: { DATABASE_URL: url, MIZAN_MASTER_KEY: 'a5'.repeat(32) }, file })
  const seal = await deliveryOptions(config).openSeal()
  const room = await openKeyRoom(client, {
    seal,
    nowMs: Date.parse(`${formatDate(date)}T20:30:00Z`),
    isProduction: false,
  })
  const { rows } = await client.query<{ path: string; encrypted: string; sha256: Buffer }>(
    `select f.path, p.encrypted_name as encrypted, f.sha256 from clearing_protection p join clearing_file f on f.id = p.file_id
     where f.business_date = $1 and p.encrypted_name is not null order by f.path`,
    [formatDate(date)],
  )
  const found: [string, boolean][] = []
  for (const { path: place, encrypted, sha256 } of rows) {
    const opened = await digestEncrypted(path.join(clearing, path.dirname(place), encrypted), room.recipients())
    found.push([encrypted, opened.sha256.equals(sha256)])
  }
  return found
}

/** What a day came to: everything but when it happened. */
async function outcomeOf(url: string, date: CivilDate, { clearing, config }: Place): Promise<unknown> {
  const client = await connect({ url, name: 'mizan test' })
  try {
    const read = async (text: string) => (await client.query(text, [formatDate(date)])).rows
    return {
      disk: filesIn(clearing),
      opened: await encryptedOf(client, url, date, { clearing, config }),
      day: await read('select state, lanes_closed_at is not null as lanes from business_day where business_date = $1'),
      steps: await read('select step, state from business_day_step where business_date = $1 order by ordinal'),
      balances: await read('select * from business_day_balance where business_date = $1 order by kind, owner'),
      files: await read(
        `select direction, type, institution, cycle, sequence, name, state, bytes, records, items, gross_piasters, totals, sha256
         from clearing_file where business_date = $1 order by name`,
      ),
      items: await read(
        `select f.name, i.number, i.authorization_id, i.transaction_code, i.amount_piasters, i.outlet_id, i.quantity
         from clearing_item i join clearing_file f on f.id = i.file_id where i.business_date = $1 order by 1, 2`,
      ),
      posted: await read(
        `select kind, debit, credit, sum(amount) as amount, count(*) as count from transfer
         where business_date > $1 group by 1, 2, 3 order by 1, 2, 3`,
      ),
    }
  } finally {
    await client.end()
  }
}

/** Runs the machine in a process of its own. @returns whether it came to an end of its own accord */
function runProcess(
  url: string,
  config: string,
  day: string,
  killAt: number,
): Promise<{ ended: boolean; said: string }> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, DAY: day }
    const running = spawn(process.execPath, [child, url, config, String(killAt)], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    running.stdout.on('data', (chunk) => {
      said += String(chunk)
    })
    running.stderr.on('data', (chunk) => {
      said += String(chunk)
    })
    running.once('error', reject)
    running.once('close', (code, signal) => resolve({ ended: code === 0 && signal === null, said }))
  })
}

t.test('a machine that is killed anywhere ends with the same rows and files', { timeout: 5_400_000 }, async (t) => {
  const world = await writerWorld(t, { households: 12 })
  const writer = await world.start()
  const day = businessDate(world.clock.now(), CUTOVER_MINUTES)
  for (let household = 1; household <= 6; household++) {
    const { result } = await ask(writer, purchaseOf(household, world.clock.now(), { link: 'visa', schemeRail: true }))
    t.equal(result, 'approved')
    t.equal((await ask(writer, purchaseOf(household, world.clock.now()))).result, 'approved')
  }
  await writer.stop()
  const copies = await copiesOf(world.url, ['calm', 'killed'])
  const outcomes: unknown[] = []
  for (const [index, url] of copies.entries()) {
    const isKilled = index === 1
    const config = path.join(folder, `config-${index}.json`)
    const demo = { enabled: false }
    writeFileSync(config, JSON.stringify({ varDir: path.join(folder, `var-${index}`), demo, log: { level: 'silent' } }))
    const running = await world.start({ laneUrl: url, inboxUrl: url })
    const client = await connect({ url, name: 'mizan test' })
    await askCutover(client, { date: day, byClock: day, by: 'test' })
    let deaths = 0
    let done = 0
    let killAt = isKilled ? 1 : 0
    for (let runs = 1; (await readDay(client, day))?.state !== 'closed'; runs++) {
      const { ended, said } = await runProcess(url, config, formatDate(day), killAt)
      if (!ended) deaths++
      if (!isKilled && !ended) throw new Error(said)
      const steps = await readSteps(client, day)
      const stuck = steps.find(({ state }) => state === 'blocked' || state === 'failed')
      if (stuck !== undefined) throw new Error(`${stuck.step} is ${stuck.state}: ${stuck.words}`)
      const nowDone = steps.filter(({ state }) => state === 'done').length
      // Each step anew, from one of its first words on.
      killAt = !isKilled || ended ? 0 : nowDone > done ? 1 + (nowDone % EVERY) : killAt + EVERY
      done = nowDone
      if (runs > RUNS_MAX) throw new Error(`the day does not end: ${done} steps after ${runs} runs`)
    }
    if (isKilled) t.ok(deaths > DEATHS_MIN, `${deaths} deaths`)
    await running.stop()
    await client.end()
    const clearing = path.join(folder, `var-${index}`, 'clearing')
    const outcome = await outcomeOf(url, day, { clearing, config })
    t.match(outcome, { opened: [[/CTF.*p7m$/, true]] }, 'the encrypted form opens to the file')
    outcomes.push(outcome)
    t.same(
      (await verifyLedger(url)).filter(({ ok }) => !ok),
      [],
    )
  }
  t.same(outcomes[1], outcomes[0])
  for (const url of copies) await dropDatabase(url)
})

/** Copies of a database that nobody uses any more. */
async function copiesOf(url: string, names: readonly string[]): Promise<string[]> {
  const source = new URL(url).pathname.slice(1)
  const admin = new URL(url)
  admin.pathname = '/postgres'
  return withClient(admin.href, async (client) => {
    await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [source])
    const made: string[] = []
    for (const name of names) {
      const copy = new URL(url)
      copy.pathname = `/${source}_${name}`
      await client.query(`create database ${source}_${name} template ${source}`)
      made.push(copy.href)
    }
    return made
  })
}

async function dropDatabase(url: string): Promise<void> {
  const name = new URL(url).pathname.slice(1)
  const admin = new URL(url)
  admin.pathname = '/postgres'
  await withClient(admin.href, (client) => client.query(`drop database if exists ${name} with (force)`))
}
