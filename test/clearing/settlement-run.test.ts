import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import { settleRun } from '../../src/clearing/settlement/run.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { openLedger } from '../ledger/live-ledger.ts'
import { playScenario } from '../ledger/scenario.ts'

t.test('a run', async (t) => {
  const ledger = await openLedger(t)
  await playScenario(ledger)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'settlement-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const identity = { name: 'UNIFIED CARD SETTLEMENT', centre: 'MIZAN', purpose: 'SUPP' }
  const done = await settleRun(ledger.client, {
    businessDate: 20261118 as CivilDate,
    cycle: 1,
    folder,
    identity,
    writerStallMs: 30_000,
  })
  t.match(done.run.totals, { payouts: 3, payoutPiasters: '4025', payablePiasters: '2925' })
  const [file] = done.files
  t.equal(file?.name, 'UC.PAY.STBA.20261118.1.001.xml')
  const bytes = () => readFileSync(path.join(folder, file?.path ?? ''), 'utf8')
  const written = bytes()
  t.match(written, '<EndToEndId>UC-20261118-1-OO-00000000002</EndToEndId>')
  const { rows } = await ledger.client.query<{ kind: string; piasters: string }>(
    `select account / 100000000000 as kind, sum(posted) as piasters from balance
     where account / 100000000000 in (7005, 7007, 8006) group by 1 order by 1`,
  )
  t.same(
    rows.map(({ kind, piasters }) => [kind, piasters]),
    [
      ['7005', '0'],
      ['7007', '4025'],
      ['8006', '-2925'],
    ],
  )
  const checks = await verifyLedger(ledger.url)
  t.same(
    checks.filter(({ ok }) => !ok),
    [],
  )
  t.end()
})
