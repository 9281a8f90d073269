import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { addDays, businessDate, formatDate } from '../../src/calendar.ts'
import { closeDayStep } from '../../src/clearing/day/close-day-step.ts'
import { runDays } from '../../src/clearing/day/machine.ts'
import { selectStep } from '../../src/clearing/outgoing/select-step.ts'
import { writeStep } from '../../src/clearing/outgoing/write-step.ts'
import { clearingRequestJob } from '../../src/jobs/clearing-request-job.ts'
import { askCutover } from '../../src/store/clearing/business-day-ask.ts'
import { takeTurn } from '../../src/store/clearing/reconciliation-runs.ts'
import { connect } from '../../src/store/connection.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { panProtectionOf } from '../support/pan-keys.ts'
import { ask, purchaseOf } from '../support/writer.ts'
import { apiWorld, deliveryAt } from './api-world.ts'

const cutoverMinutes = 1_350

async function closedDay(test: Test) {
  const world = await apiWorld(test, { households: 2 })
  const { url, clock } = world
  const folder = mkdtempSync(path.join(os.tmpdir(), 'mizan-requests-'))
  const client = await connect({ url, name: 'test', role: 'mizan_app' })
  test.teardown(async () => {
    await client.end()
    rmSync(folder, { recursive: true, force: true })
  })
  const writer = await world.start()
  const sale = purchaseOf(1, clock.now(), {
    mti: '0200',
    messageClass: 'financial',
    schemeRail: true,
    link: 'visa',
    networkReference: '426326000000001',
    amountPiasters: 7_500,
  })
  test.equal((await ask(writer, sale)).result, 'approved')
  const date = businessDate(clock.now(), cutoverMinutes)
  const files = {
    processingBin: '400000',
    centre: 'MIZAN',
    batchItems: 950,
    testFiles: true,
    railLinks: ['visa'],
    protection: panProtectionOf('writer tests'),
  }
  await askCutover(client, { date, byClock: date, by: 'test' })
  const steps = [closeDayStep(), selectStep(files), writeStep(files)]
  const { signal } = new AbortController()
  const log = createLogger({ level: 'silent' })
  const run = await runDays({ url, folder, steps, log, nowMs: () => clock.now(), signal })
  test.match(run, { state: 'closed' })
  const delivery = deliveryAt(folder)
  const job = clearingRequestJob({
    ...{ url, folder, files, delivery, clock, cutoverMinutes, writerStallMs: 60_000 },
    identity: { name: 'UNIFIED CARD SETTLEMENT', centre: 'MIZAN', purpose: 'SUPP' },
    reconciliation: { presentmentDays: 3, lookBackDays: 30 },
  })
  return { ...world, date: formatDate(date), following: formatDate(addDays(date, 1)), job }
}

t.test('work on a business date is asked for over HTTP, and a job does it', async (test) => {
  const { as, date, following, job, url, owner } = await closedDay(test)
  const clerk = as('settlement')
  const { signal } = new AbortController()
  const ended = async (requestId: number) => {
    await job.run(signal)
    return (await clerk(`/clearing/requests/${requestId}`)).body
  }
  test.equal(await job.look(), 'nothing was asked for')
  const { items } = (await clerk(`/clearing/files?date=${date}&direction=out`)).body
  const sent = items.find(({ type }: { type: string }) => type === 'CTF')

  await test.test('a correction', async (test) => {
    const asked = { body: { reason: 'the receiver could not read it' }, key: 'correct-1' }
    const address = `/clearing/files/${sent.fileId}/correct`
    test.match(await as('operator')(address, asked), { status: 403 })
    const told = await clerk(address, asked)
    test.match(told, { status: 202, body: { kind: 'file-correction', state: 'waiting', askedBy: 'user:settlement' } })
    const { requestId, fileId } = told.body
    test.equal(told.headers.location, `/api/v1/clearing/requests/${requestId}`)
    const again = await clerk(address, asked)
    test.equal(again.headers['idempotent-replay'], 'true')
    test.same(again.body, told.body)
    test.match((await clerk(address, { body: asked.body })).body, { requestId, fileId }, 'asked for anew, it is one')
    test.equal(await job.look(), undefined)
    test.match(await ended(requestId), { state: 'done', words: /002 is written: 1 items; manifest/, attempts: 1 })
    const history = (await clerk(`/clearing/files/${fileId}`)).body
    test.match(history, { sequence: 2, state: 'written', items: 1 })
    const old = (await clerk(`/clearing/files/${sent.fileId}`)).body
    test.match(old, { state: 'superseded' })
    test.equal(old.events.at(-1).actor, 'user:settlement')
    const statement = items.find(({ type }: { type: string }) => type === 'MAN')
    test.match(
      await clerk(`/clearing/files/${statement.fileId}/correct`, asked),
      { status: 422 },
      'another body, one key',
    )
    test.match(await clerk(`/clearing/files/${statement.fileId}/correct`, { body: asked.body }), {
      status: 400,
      headers: { 'content-type': /problem\+json/ },
      body: { detail: /not corrected here/ },
    })
    test.match(await clerk('/clearing/files/999999/correct', { body: asked.body }), { status: 404 })
    const noted = await as('auditor')('/audit?action=POST%20/clearing/files/%7BfileId%7D/correct')
    const done = noted.body.items.filter(({ outcome }: { outcome: string }) => outcome === 'accepted')
    test.match(done.at(-1), { actor: 'user:settlement', detail: { request: requestId, reason: asked.body.reason } })
  })

  await test.test('files of a date are verified', async (test) => {
    const told = await as('operator')('/clearing/verifications', { body: { businessDate: date } })
    test.match(told, { status: 202, body: { kind: 'file-verification' } })
    test.match(await ended(told.body.requestId), { state: 'done', words: /file\(s\) are as they must be/ })
    await owner.query('update clearing_file set items = 9 where name = $1', [sent.name.replace(/1$/, '2')])
    const wrong = await clerk('/clearing/verifications', { body: { businessDate: date } })
    test.match(await ended(wrong.body.requestId), { state: 'failed', words: /items 1, the register 9/ })
    await owner.query('update clearing_file set items = 1 where name = $1', [sent.name.replace(/1$/, '2')])
    test.match(await clerk('/clearing/verifications', { body: { businessDate: '2020-01-01' } }), { status: 404 })
  })

  await test.test('a run of settlement', async (test) => {
    test.match(await as('operator')(`/settlement/runs/${date}`, { body: {} }), { status: 403 })
    test.match(await clerk(`/settlement/runs/${following}`, { body: {} }), {
      status: 409,
      body: { detail: /is not closed in every lane/ },
    })
    const told = await clerk(`/settlement/runs/${date}`, { body: {} })
    test.match(told, { status: 202, body: { kind: 'settlement-run', cycle: 1, businessDate: date } })
    test.match(await ended(told.body.requestId), { state: 'done', words: /posting\(s\), \d+ file\(s\) to be released/ })
    test.match(await clerk(`/settlement/runs/${date}`), { status: 200, body: { cycle: 1, state: 'written' } })
  })

  await test.test('a run of the reconciliation', async (test) => {
    test.match(await as('analyst')('/reconciliation/runs', { body: {} }), { status: 403 })
    const told = await as('operator')('/reconciliation/runs', { body: {} })
    test.match(told, { status: 202, body: { kind: 'reconciliation', businessDate: date } })
    test.match(await ended(told.body.requestId), { state: 'done', words: /^run \d+: \d+ matched/ })
    const runs = await clerk('/reconciliation/runs')
    test.match(runs.body.items[0], { businessDate: date, state: 'done', requestedBy: 'user:operator' })
    test.match(await clerk('/reconciliation/runs', { body: { businessDate: following } }), { status: 409 })
  })

  await test.test('a run of the reconciliation waits for the one that is under way', async (test) => {
    const other = await connect({ url, name: 'test', role: 'mizan_app' })
    await takeTurn(other)
    const before = (await clerk('/reconciliation/runs')).body.items.length
    const told = await as('operator')('/reconciliation/runs', { body: {} })
    for (const attempts of [1, 2]) {
      const waits = { state: 'waiting', attempts, endedAt: null, words: /a reconciliation runs already/ }
      test.match(await ended(told.body.requestId), waits)
    }
    test.equal(await job.look(), undefined, 'and is begun again with the next run of the job')
    test.equal((await clerk('/reconciliation/runs')).body.items.length, before, 'what waits is no run that failed')
    await other.end()
    test.match(await ended(told.body.requestId), { state: 'done', words: /^run \d+: \d+ matched/, attempts: 3 })
  })

  await test.test('so many may wait', async (test) => {
    await owner.query(
      `insert into clearing_request (kind, business_date, asked_by) select 'reconciliation', '2020-01-01'::date + n, 'test'
       from generate_series(1, 50) n`,
    )
    test.match(await clerk('/reconciliation/runs', { body: {} }), {
      status: 409,
      body: { detail: /50 pieces of work wait/ },
    })
    await owner.query("delete from clearing_request where asked_by = 'test'")
    const cut = await clerk('/clearing/verifications', { body: { businessDate: date } })
    await owner.query('update clearing_request set attempts = 30 where id = $1', [cut.body.requestId])
    test.match(await ended(cut.body.requestId), { state: 'failed', words: /given up after 30 attempts/ })
    const listed = await clerk('/clearing/requests?limit=2')
    test.equal(listed.body.items.length, 2)
    test.equal((await clerk('/clearing/requests?state=failed')).body.items.length, 2)
    test.match(await clerk('/clearing/requests/999999'), { status: 404 })
  })

  await test.test('a dispute is withdrawn by two people', async (test) => {
    const wanted = { kind: 'dispute-withdraw', payload: { disputeId: 1 }, reason: 'he remembers the purchase' }
    test.match(await clerk('/change-requests', { body: wanted }), { status: 404, body: { detail: /no dispute 1/ } })
    test.match(await as('analyst')('/change-requests', { body: wanted }), { status: 403 })
    await owner.query(`
      insert into clearing_file (direction, type, institution, business_date, name, path, state, bytes, sha256)
        values ('in', 'ITF', '400000', '2020-01-01', 'planted', 'in/planted', 'received', 1, decode(repeat('ab', 32), 'hex'));
      insert into network_item (file_id, number, record, transaction_code, arn, amount_piasters, currency, purchase_date, state, reason,
          business_date, lane, card_id, household_id)
        select f.id, 1, 1, '05', '24000006326000000000015', 500, '818', '2020-01-01', 'disputed', null, '2020-01-01', c.lane, c.id, c.household_id
        from clearing_file f, card c where f.name = 'planted' and c.household_id = 1 limit 1;
      insert into dispute (file_id, number, lane, household_id, card_id, arn, transaction_code, amount_piasters, reason_code, reason,
          posted, state, raised_by, approved_by, raised_at, respond_by)
        select n.file_id, 1, n.lane, n.household_id, n.card_id, n.arn, '15', 500, '83', 'not his', false, 'raised', 'one', 'two', now(),
          current_date from network_item n;
      insert into outgoing_dispute_item (dispute_id, transaction_code, lane, card_id, arn, transaction_id, authorization_code, terminal,
          acceptor, mcc, amount_piasters, purchase_date, reason_code, business_date)
        select d.id, '15', d.lane, d.card_id, d.arn, '', '', '', '', '', 500, '2020-01-01', '83', current_date from dispute d`)
    const change = (await as('operator')('/change-requests', { body: wanted })).body
    const approval = `/change-requests/${change.changeId}/approve`
    test.match(await as('operator-2')(approval, { body: {} }), { status: 403 }, 'the second person is of settlement')
    test.match(await clerk(approval, { body: {} }), { status: 200, body: { state: 'approved' } })
    test.match((await clerk('/disputes/1')).body, { state: 'withdrawn', events: [{ event: 'withdrawn' }] })
    const { rows } = await owner.query('select transaction_code, state from outgoing_dispute_item order by id')
    test.same(rows, [
      { transaction_code: '15', state: 'waiting' },
      { transaction_code: '35', state: 'waiting' },
    ])
  })

  const checks = await verifyLedger(url)
  const wrong = checks.filter(({ ok }) => !ok).map(({ name }) => name)
  test.same(wrong, [], 'the ledger is whole')
})
