import { Command } from 'commander'
import t from 'tap'
import type { CommandIo } from '../../src/commands/command-io.ts'
import { explainCommand, inWords } from '../../src/commands/explain.ts'
import { verifyCommand } from '../../src/commands/verify.ts'
import { explainAuthorizations, explainKey } from '../../src/store/explain.ts'
import { ledgerChecks } from '../../src/store/verify.ts'
import { commandRunner } from '../support/command.ts'
import { openLedger } from './live-ledger.ts'
import { playScenario } from './scenario.ts'

const program = (io: CommandIo) => new Command('mizan').addCommand(explainCommand(io)).addCommand(verifyCommand(io))
const mizan = (url: string, ...parameters: string[]) => commandRunner({ DATABASE_URL: url })(program, parameters)

t.test('an authorization explains itself', async (t) => {
  const ledger = await openLedger(t)
  const sent = await playScenario(ledger)
  const { url } = ledger
  const explain = async (name: string) => explainAuthorizations(url, explainKey(sent[name]?.rrn ?? ''))

  const [bread] = await explain('bread')
  t.match(bread, {
    result: 'approved',
    request: { mti: '0200', account: '92', pan: /^400000\*{6}\d{4}$/ },
    outlet: { category: 'bakery' },
    answer: { 39: '00' },
    hold: null,
    related: [],
  })
  t.same(
    bread?.transfers.map(({ kind, unit, amount }) => [kind, unit, amount]),
    [
      ['entitlementIssue', 'LOAF', bread?.transfers[0]?.amount],
      ['subsidyRedemption', 'LOAF', 5],
      ['coPayment', 'EGP', 100],
    ],
  )
  const words = inWords(bread as NonNullable<typeof bread>)
  t.match(words, /routed to the bread wallet/)
  t.match(words, /subsidyRedemption 5 loaves: bread wallet \d+ → bread redeemed \d+, period 20261118/)
  t.match(words, /coPayment 1\.00 EGP: postal account/)
  t.notMatch(words, /\b4000\d{12}\b/, 'no card number')

  const [basket] = await explain('second ration')
  t.match(
    inWords(basket as NonNullable<typeof basket>),
    /goods +SOAP-125G: 3 at 3\.00 EGP, 3 from the subsidy for 9\.00 EGP \(OK\)/,
  )
  const [purchase] = await explain('purchase')
  t.same(
    purchase?.repeats.map(({ kind }) => kind),
    ['repeat', 'key-reused'],
  )
  const [reversed] = await explain('reversed purchase')
  t.match(reversed?.related, [{ relation: 'successor', mti: '0400', result: 'approved', approvedAmount: 2_000 }])
  const [reversal] = await explain('reversal')
  t.match(reversal?.related, [{ relation: 'original', id: reversed?.id }])
  const [captured] = await explain('captured hold')
  const by = captured?.related[0]?.id
  t.match(captured?.hold, { amount: 3_000, events: [{ by, captured: 2_500, released: 500, ending: 'captured' }] })
  t.match(
    inWords(captured as NonNullable<typeof captured>),
    /30\.00 EGP, captured\n +25\.00 EGP captured and 5\.00 EGP released by \d+/,
  )
  const [open] = await explain('open hold')
  t.match(inWords(open as NonNullable<typeof open>), /hold +40\.00 EGP, open, expires 2026-11-26T/)

  t.same(await explainAuthorizations(url, explainKey(String(bread?.id))), [bread], 'by number')
  const { stan = '', terminal = '' } = sent.bread ?? {}
  t.same(await explainAuthorizations(url, explainKey(`${stan}@${terminal}`)), [bread], 'by STAN@TERMINAL')
  t.same(await explainAuthorizations(url, explainKey(stan, terminal)), [bread], 'by STAN and terminal')
  await t.rejects(explainAuthorizations(url, explainKey('999999999999')), { code: 'NOT_FOUND' })
  t.throws(() => explainKey('not a key'), { code: 'BAD_INPUT' })
  t.throws(() => explainKey('1234567@T'), { code: 'BAD_INPUT' })

  const rrn = sent.bread?.rrn ?? ''
  await ledger.client.query(`update authorization_journal set rrn = $1 where id = $2`, [rrn, open?.id])
  const found = await explainAuthorizations(url, explainKey(rrn))
  t.not(open?.businessDate, bread?.businessDate)
  t.same(
    found.map(({ id }) => id),
    [open?.id],
    'of the newest day that has the RRN',
  )
})

t.test('the commands', async (t) => {
  const ledger = await openLedger(t)
  const sent = await playScenario(ledger)
  const rrn = sent.bread?.rrn ?? ''
  const explained = await mizan(ledger.url, 'explain', rrn)
  t.equal(explained.status, 0, explained.errors)
  t.match(explained.out, /^authorization \d+ {2}business date 2026-11-18/)
  const listed = await mizan(ledger.url, 'explain', rrn, '--json')
  t.match(JSON.parse(listed.out), [{ result: 'approved' }])
  const missing = await mizan(ledger.url, 'explain', '999999999999')
  t.equal(missing.status, 1)
  t.match(missing.errors, /^there is no such record: no authorization has RRN or number 999999999999\n$/)

  const sound = await mizan(ledger.url, 'verify')
  t.equal(sound.status, 0, sound.errors)
  t.match(sound.out, /hash-chain +ok +\d+ {2}heads: lane 0 [0-9a-f]{16}/)
  t.match(sound.out, new RegExp(`${ledgerChecks.length} ok, 0 failed\\n$`))
  await ledger.client.query('update lane set last_seq = last_seq + 1')
  const broken = await mizan(ledger.url, 'verify', '--json')
  t.equal(broken.status, 1)
  t.same(
    (JSON.parse(broken.out) as { name: string; ok: boolean }[]).filter(({ ok }) => !ok).map(({ name }) => name),
    ['batches-without-gap'],
  )
})
