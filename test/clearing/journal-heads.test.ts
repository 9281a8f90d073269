import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { addDays, businessDate, type CivilDate } from '../../src/calendar.ts'
import { closeDayStep } from '../../src/clearing/day/close-day-step.ts'
import { runDays } from '../../src/clearing/day/machine.ts'
import { selectStep } from '../../src/clearing/outgoing/select-step.ts'
import { verifyFile } from '../../src/clearing/outgoing/verify-files.ts'
import { writeStep } from '../../src/clearing/outgoing/write-step.ts'
import { askCutover } from '../../src/store/clearing/business-day-ask.ts'
import { listFiles } from '../../src/store/clearing/files.ts'
import { journalHeads } from '../../src/store/clearing/journal-heads.ts'
import { connect } from '../../src/store/connection.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { panProtectionOf } from '../support/pan-keys.ts'
import { ask, purchaseOf, writerWorld } from '../support/writer.ts'

const CUTOVER_MINUTES = 1_350
const DAY_MS = 86_400_000

t.test('the manifest of a date names where the journal stood, so that an end cut off later shows', async (t) => {
  const { url, clock, start } = await writerWorld(t, { households: 2 })
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-heads-'))
  const client = await connect({ url, name: 'test', role: 'mizan_app' })
  const owner = await connect({ url, name: 'test owner' })
  t.teardown(async () => {
    await Promise.all([client.end(), owner.end()])
    rmSync(folder, { recursive: true, force: true })
  })
  const options = {
    ...{ processingBin: '400000', centre: 'MIZAN', batchItems: 950, testFiles: true, railLinks: ['visa'] },
    protection: panProtectionOf('writer tests'),
  }
  const steps = [closeDayStep(), selectStep(options), writeStep(options)]
  const log = createLogger({ level: 'silent' })
  const { signal } = new AbortController()
  const writer = await start()
  const sell = async () => t.equal((await ask(writer, purchaseOf(1, clock.now(), {}))).result, 'approved')
  const close = async (): Promise<CivilDate> => {
    const date = businessDate(clock.now(), CUTOVER_MINUTES)
    await askCutover(client, { date, byClock: date, by: 'test' })
    t.match(await runDays({ url, folder, steps, log, nowMs: () => clock.now(), signal }), { state: 'closed' })
    return date
  }
  const manifestOf = async (date: CivilDate) => {
    const [file] = await listFiles(client, { businessDate: date, types: ['MAN'] })
    if (file === undefined) throw new Error('no manifest')
    const text = readFileSync(path.join(folder, file.path), 'utf8')
    return { file, text, content: JSON.parse(text) as { journal: { lane: number; batch: number; sha256: string }[] } }
  }
  const verify = async (date: CivilDate) => verifyFile((await manifestOf(date)).file, { client, folder, options })

  t.same(await journalHeads(client, businessDate(clock.now(), CUTOVER_MINUTES)), [], 'nothing is closed yet')
  await sell()
  const first = await close()
  await sell()
  const { rows } = await owner.query<{ seq: string; hash: Buffer }>(
    `select b.seq, b.hash from batch b join command_journal c on c.lane = b.lane and c.batch_seq = b.seq + 1
     where c.kind = 'close-day'`,
  )
  const head = { lane: 0, batch: Number(rows[0]?.seq), sha256: rows[0]?.hash.toString('hex') ?? '' }
  t.same(
    (await manifestOf(first)).content.journal,
    [head],
    'the batch before the one that closed the date, not what came since',
  )
  t.match(await verify(first), { ok: true })

  clock.advance(DAY_MS)
  await sell()
  const { text } = await manifestOf(first)
  const second = await close()
  const [later] = (await manifestOf(second)).content.journal
  t.ok((later?.batch ?? 0) > head.batch, 'the next date is further on')
  rmSync(path.join(folder, 'out'), { recursive: true })
  for (const date of [first, second]) {
    const base = { url, folder, businessDate: date, signal, log }
    const context = { ...base, nowMs: () => clock.now(), progress: () => undefined }
    t.match(await writeStep(options).run(context), { state: 'done' })
  }
  t.equal((await manifestOf(first)).text, text, 'written again it is the same')
  t.same(
    await journalHeads(client, addDays(first, -1)),
    await journalHeads(client, first),
    'a date closed together with it',
  )

  await owner.query('begin')
  await owner.query('create table kept as select * from batch where seq >= $1::bigint', [later?.batch])
  await owner.query('delete from batch where seq >= $1::bigint', [later?.batch])
  await owner.query('commit')
  t.match(await verify(first), { ok: true })
  t.match(await verify(second), {
    ok: false,
    words: /batch \d+ of lane 0, the last before the date was closed, is not in the journal/,
  })
  await owner.query("insert into batch select lane, seq, epoch, first_id, next_id, committed_at, sha256('x') from kept")
  t.match(await verify(second), { ok: false, words: /the last before the date was closed, is another in the journal/ })
  await owner.query('update batch b set hash = k.hash from kept k where k.lane = b.lane and k.seq = b.seq')
  t.match(await verify(second), { ok: true })
})
