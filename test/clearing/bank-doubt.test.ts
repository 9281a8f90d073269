import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import { reconcile } from '../../src/clearing/reconciliation/reconcile.ts'
import { bankCommand } from '../../src/commands/bank.ts'
import { listAnswers } from '../../src/store/clearing/bank-answer-desk.ts'
import { bookedOf } from '../../src/store/clearing/bank-instructions.ts'
import { readFailed } from '../../src/store/clearing/settlement-read.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { commandRunner } from '../support/command.ts'
import { about, bankSays, original, REASON, status } from './bank-says.ts'
import { type BankWorld, bankWorld, DATE, EACH } from './bank-world.ts'

t.test('what a bank says or books against what it said before', async (t) => {
  const world = await bankWorld(t)
  await rejectedAndBooked(t, world)
  await answersInDoubt(t, world)
  await wholeMessages(t, world)
  await returnsInDoubt(t, world)
  await splitEntries(t, world)
  await t.test('every check holds', async (t) => {
    // The runs of the later days are made by hand, without what is due.
    const failed = (await verifyLedger(world.url)).filter(({ ok }) => !ok).map(({ name }) => name)
    t.same(failed, ['settlement-dues-carried'])
  })
})

async function rejectedAndBooked(t: Test, world: BankWorld): Promise<void> {
  const { owner, client, bank, url, nowMs, instruct, statesOf, balanceOf, sound } = world
  const { answer, book } = bankSays(world)
  const exceptionOf = async (id: string) => {
    const settings = { presentmentDays: 8, lookBackDays: 30 }
    const asOf = 20261231 as CivilDate
    await reconcile({ url, businessDate: DATE, asOf, requestedBy: 'test', nowMs, settings })
    const { rows } = await owner.query(
      `select break, state, value_at_risk_piasters::int as risk, difference_piasters::int as difference, summary
       from reconciliation_exception where key = 'instruction:' || $1 order by id`,
      [id],
    )
    return rows
  }
  await t.test('what was rejected and is booked all the same is not taken as paid, nor paid twice', async (t) => {
    const { ids, messageId, outlet } = await instruct(2)
    const [id = '', other = ''] = ids
    const standing = [await balanceOf('unappliedPayouts', outlet), await balanceOf('suspense', 31)] as const
    const moved = async () => [
      (await balanceOf('unappliedPayouts', outlet)) - standing[0],
      (await balanceOf('suspense', 31)) - standing[1],
    ]
    const failed = async () => (await readFailed(client)).map(({ endToEndId }) => endToEndId)
    await answer(original(messageId), [status(id, 'RJCT', '<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf>')])
    t.ok((await failed()).includes(id), 'a run pays it again')
    t.match(await exceptionOf(id), [{ break: 'instruction-rejected', state: 'open' }])
    // A run that took it up closes that.
    const took = 'update settlement_instruction set restored_date = $2, restored_cycle = 1 where end_to_end_id = $1'
    await owner.query(took, [id, '2026-11-18'])
    t.match(await exceptionOf(id), [{ break: 'instruction-rejected', state: 'resolved' }])
    await owner.query(took.replace('= 1 where', '= null where'), [id, null])

    const inTransit = await balanceOf('settlementTransit', bank.number)
    t.same(await book([id, -EACH]), [['suspense', 'end-to-end', 'rejected', -EACH, -EACH, null]])
    t.equal(await balanceOf('settlementTransit', bank.number), inTransit, 'transit had nothing of it any more')
    t.same(await moved(), [EACH, -EACH])
    t.same(await statesOf([id, other]), ['rejected', 'released'])
    t.notOk((await failed()).includes(id), 'not before somebody has looked')
    const summary = /it was rejected \(AC04\), and the bank booked -10000 piasters/
    t.match((await exceptionOf(id)).at(-1), {
      break: 'position-over',
      state: 'open',
      risk: EACH,
      difference: -EACH,
      summary,
    })
    const close = (by: string | null) =>
      owner.query(
        `update reconciliation_exception set state = case when $2::text is null then 'open' else 'resolved' end,
           closed_at = case when $2 is not null then now() end, closed_by = $2, resolution = $2
         where key = 'instruction:' || $1 and break = 'position-over'`,
        [id, by],
      )
    await close('Amira')
    t.ok((await failed()).includes(id), 'people have looked')
    await close(null)

    t.same(await book([id, EACH, REASON]), [['suspense', 'end-to-end', 'rejected', EACH, EACH, null]])
    t.same(await moved(), [EACH, 0], 'what came back is not owed twice')
    t.ok((await failed()).includes(id), 'the bank took it back')
    t.match((await exceptionOf(id)).at(-1), { break: 'position-over', state: 'resolved' })
    await sound(t)
  })
}

async function answersInDoubt(t: Test, world: BankWorld): Promise<void> {
  const { owner, client, instruct, stateOf, statesOf, sound } = world
  const { answer, book } = bankSays(world)
  const openOf = async (endToEndId: string) =>
    (await listAnswers(client, { state: 'open', endToEndId, limit: 10 })).map(({ outcome }) => outcome)

  await t.test('an answer is applied to the payment that it is about, and to no other', async (t) => {
    const { messageId: otherDate } = await instruct(1)
    const { rows } = await owner.query<{ id: string }>(
      `select totals ->> 'messageId' as id from clearing_file where type = 'NET' or institution <> 'STBA' limit 1`,
    )
    const otherFile = rows[0]?.id ?? 'none'
    const cases: [name: string, original: (own: string) => string, more: string, why: RegExp][] = [
      [
        'another date',
        () => original(otherDate),
        '',
        /^unexpected: it is to UC-PAY-STBA-\d+-\d+, which is not its message/,
      ],
      ['another file', () => original(otherFile), '', new RegExp(`^unexpected: it is to ${otherFile}`)],
      ['no message', () => original('NOSUCH'), '', /^unexpected: it is to NOSUCH/],
      [
        'a cancellation',
        (own) => original(own, 'camt.055.001.08'),
        '',
        /it is to a camt\.055\.001\.08, not to a pain\.001/,
      ],
      ['another kind', (own) => original(own, 'pain.0012'), '', /it is to a pain\.0012/],
      ['another amount', original, about('0.01'), /it tells of 0\.01 EGP, the payment is of 100\.00 EGP/],
      ['another currency', original, about('100.00', 'USD'), /it tells of 100\.00 USD/],
    ]
    for (const [name, of, more, why] of cases) {
      const { ids, messageId } = await instruct(1)
      const [id = ''] = ids
      for (const code of ['ACCP', 'RJCT']) {
        const taken = await answer(of(messageId), [status(id, code, more)])
        t.match(taken.answers, { answers: 1, applied: 0, failed: 0, unexpected: 1 }, name)
      }
      t.equal(await stateOf(id), 'released', name)
      t.match(await openOf(id), [why, why], name)
    }
  })

  await t.test('what is legal stays so', async (t) => {
    const variants: [original: (own: string) => string, more: string, message?: string][] = [
      [(own) => original(own, 'pain.001.001.03'), about('100')],
      [(own) => `<OrgnlMsgId>${own}</OrgnlMsgId>`, ''],
      [() => '<OrgnlMsgId>NOTPROVIDED</OrgnlMsgId>', '', 'pacs.002'],
      [(own) => `${original(own)}<GrpSts>PART</GrpSts>`, about('100.00')],
    ]
    for (const [of, more, message] of variants) {
      const { ids, messageId } = await instruct(2)
      const [id = '', other = ''] = ids
      await answer(
        of(messageId),
        [status(id, 'RJCT', more), status(other, 'ACCP', more), status(other, 'ACSP')],
        message,
      )
      t.same(await statesOf(ids), ['rejected', 'accepted'], of(messageId))
      await answer(of(messageId), [status(other, 'RJCT', more)], message)
      t.same(await statesOf(ids), ['rejected', 'rejected'], 'it was accepted, and not done')
    }
  })

  await t.test('what the bank did it does not reject', async (t) => {
    const { ids, messageId } = await instruct(3)
    const [done = '', partly = '', both = ''] = ids
    const rejected = (id: string) => answer(original(messageId), [status(id, 'RJCT')])
    await answer(original(messageId), [status(done, 'ACCP')])
    await answer(original(messageId), [status(done, 'ACCC')])
    t.match((await rejected(done)).answers, { applied: 0, unexpected: 1 })
    t.match(await openOf(done), [/^unexpected: the bank said before that it is done/])
    await book([partly, -EACH / 2])
    t.match((await rejected(partly)).answers, { applied: 0, unexpected: 1 })
    const twice = await answer(original(messageId), [status(both, 'ACCP'), status(both, 'RJCT')])
    t.match(twice.answers, { answers: 2, applied: 0, unexpected: 2 })
    t.match(await openOf(both), [/the same file says otherwise of this payment/, /the same file/])
    t.same(await statesOf(ids), ['accepted', 'released', 'released'])
    await book([partly, -EACH / 2])
    t.equal(await stateOf(partly), 'settled')
    await sound(t)
  })
}

async function wholeMessages(t: Test, world: BankWorld): Promise<void> {
  const { owner, instruct, statesOf, balanceOf } = world
  const { answer, outcomesOf, statementsOf } = bankSays(world)
  await t.test('a message and its payments that contradict one another', async (t) => {
    for (const [group, single, state] of [
      ['RJCT', 'ACCP', 'released'],
      ['ACCP', 'RJCT', 'released'],
    ] as const) {
      const { ids, messageId } = await instruct(2)
      const [first = ''] = ids
      const taken = await answer(`${original(messageId)}<GrpSts>${group}</GrpSts>`, [status(first, single)])
      t.match(taken.answers, { answers: 2, applied: 0, unexpected: 2 })
      t.same(await statesOf(ids), [state, state], `${group} and ${single}`)
      t.same(await outcomesOf(messageId), [
        `${group} unexpected: the same file says otherwise of its payments`,
        `${single} unexpected: the same file says otherwise of its message`,
      ])
    }
    const { ids, messageId } = await instruct(2)
    await answer(`${original(messageId, 'camt.055.001.08')}<GrpSts>RJCT</GrpSts>`, [])
    t.match(await outcomesOf(messageId), [/^RJCT unexpected: it is to a camt\.055/])
    t.same(await statesOf(ids), ['released', 'released'])
  })

  await t.test('a message is taken as a whole', async (t) => {
    const { ids, messageId, outlet } = await instruct(3)
    const group = (code: string) => answer(`${original(messageId)}<GrpSts>${code}</GrpSts>`, [])
    const unapplied = await balanceOf('unappliedPayouts', outlet)
    t.match((await group('RCVD')).answers, { applied: 3 })
    t.same(await statesOf(ids), ['sent', 'sent', 'sent'])
    t.match((await group('ACTC')).answers, { applied: 3 })
    t.match((await group('PDNG')).answers, { applied: 0, unexpected: 0 })
    t.same(await statesOf(ids), ['accepted', 'accepted', 'accepted'])
    const { rows } = await owner.query(
      `select e.state, e.source from settlement_instruction_event e join settlement_instruction i on i.id = e.instruction_id
       where i.end_to_end_id = $1 and e.source like 'pain%' order by e.id`,
      [ids[1]],
    )
    t.match(rows, [{ state: 'sent' }, { state: 'accepted', source: /^pain\.002 DOUBT-/ }])
    await owner.query(`update settlement_instruction set is_confirmed = true where end_to_end_id = $1`, [ids[2]])
    t.match((await group('RJCT')).answers, { applied: 0, unexpected: 1 })
    t.same(await statesOf(ids), ['accepted', 'accepted', 'accepted'], 'one of them cannot be')
    t.match(await outcomesOf(messageId), [/1 of its payments cannot be rejected any more/])
    await owner.query(`update settlement_instruction set is_confirmed = false where end_to_end_id = $1`, [ids[2]])
    t.match((await group('RJCT')).answers, { applied: 3, failed: 3 })
    while ((await balanceOf('unappliedPayouts', outlet)) - unapplied !== 3 * EACH) await setTimeout(5)
    const all = await instruct(2)
    const statements = await statementsOf(() => answer(`${original(all.messageId)}<GrpSts>ACSC</GrpSts>`, []))
    const many = await instruct(50)
    t.equal(
      await statementsOf(() => answer(`${original(many.messageId)}<GrpSts>ACSC</GrpSts>`, [])),
      statements,
      'fifty payments take no more than two',
    )
    t.same(new Set(await statesOf(many.ids)), new Set(['accepted']))
    t.match((await answer(original(all.messageId), [status(all.ids[0] ?? '', 'RJCT')])).answers, { unexpected: 1 })
    t.same(await statesOf(all.ids), ['accepted', 'accepted'])
  })
}

async function returnsInDoubt(t: Test, world: BankWorld): Promise<void> {
  const { owner, client, bank, outFolder, instruct, stateOf, receive } = world
  const { book } = bankSays(world)
  let made = 0
  const back = (
    messageId: string,
    name: string,
    ...returned: (readonly [id: string, amount: string, more?: string])[]
  ) => {
    const file = path.join(outFolder, `return.${++made}.xml`)
    const infos = returned.map(
      ([id, amount, more = '']) =>
        `<TxInf><OrgnlEndToEndId>${id}</OrgnlEndToEndId>${more}<RtrdIntrBkSttlmAmt Ccy="EGP">${amount}</RtrdIntrBkSttlmAmt></TxInf>`,
    )
    const head = `<GrpHdr><MsgId>BACK-${made}</MsgId><CreDtTm>2026-11-22T10:00:00</CreDtTm><NbOfTxs>${infos.length}</NbOfTxs></GrpHdr>`
    const group = `<OrgnlGrpInf>${original(messageId, name)}</OrgnlGrpInf>`
    const text = `<PmtRtr>${head}${group}${infos.join('')}</PmtRtr>`
    writeFileSync(file, `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.004.001.09">${text}</Document>`)
    return receive(file)
  }
  const pain = 'pain.001.001.09'

  await t.test('no more comes back than was paid', async (t) => {
    const { ids, messageId } = await instruct(2)
    const [id = '', whole = ''] = ids
    await book([id, -EACH], [whole, -EACH])
    const { rows } = await owner.query<{ id: string }>(
      'select id from settlement_instruction where end_to_end_id = $1',
      [id],
    )
    const number = Number(rows[0]?.id)
    const doubtful = [
      await back(messageId, pain, [id, '99999.00']),
      await back(messageId, pain, [id, '100.01']),
      await back('NOSUCH', pain, [id, '100.00']),
      await back(messageId, 'camt.055.001.08', [id, '100.00']),
      await back(messageId, pain, [id, '50.00', '<OrgnlIntrBkSttlmAmt Ccy="EGP">50.00</OrgnlIntrBkSttlmAmt>']),
      await back(messageId, pain, [id, '60.00'], [id, '60.00']),
    ]
    for (const { answers } of doubtful) {
      t.match(answers, { applied: 0, failed: 0, unexpected: answers?.answers ?? 0 })
    }
    t.equal(await stateOf(id), 'settled')
    t.equal((await bookedOf(client, bank.number, [number])).get(number)?.returnAnnounced, false)
    const open = await listAnswers(client, { state: 'open', endToEndId: id, limit: 10 })
    t.equal(open.length, 7)
    t.match(open.at(-1)?.outcome, /^unexpected: 99,?999\.00 EGP come back of 100\.00 EGP$/)
    t.match((await back(messageId, pain, [id, '40.00'])).answers, { applied: 1 }, 'a part is legal')
    t.match((await back(messageId, pain, [whole, '100.00'])).answers, { applied: 1 }, 'so is all')
    t.equal(await stateOf(id), 'returned')
    t.equal((await bookedOf(client, bank.number, [number])).get(number)?.returnAnnounced, true)
  })
}

async function splitEntries(t: Test, world: BankWorld): Promise<void> {
  const { owner, folder, url, instruct } = world
  const { book } = bankSays(world)

  await t.test('what of an entry is held in suspense is shown', async (t) => {
    const { ids } = await instruct(2)
    const [id = '', other = ''] = ids
    await book([id, -EACH], [other, -EACH - 150], [id, EACH + 6_249, REASON])
    const { rows } = await owner.query<{ id: string }>('select max(id) as id from bank_statement')
    const shown = await commandRunner({ DATABASE_URL: url, MIZAN_VAR: folder })(bankCommand, [
      'show',
      rows[0]?.id ?? '',
    ])
    t.match(shown.out, /-100\.00 EGP .*matched \(settlementPaid, end-to-end(?:, late-value)?\)\n/)
    t.match(shown.out, /matched \(settlementPaid, end-to-end, over, -1\.50 EGP in suspense\)\n/)
    t.match(shown.out, /matched \(settlementReturned, returned, (?:late-value, )?62\.49 EGP in suspense\)\n/)
  })
}
