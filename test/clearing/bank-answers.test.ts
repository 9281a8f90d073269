import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { bankCommand } from '../../src/commands/bank.ts'
import { applyFileStatus } from '../../src/store/clearing/settlement-file-outcomes.ts'
import { applyStatus } from '../../src/store/clearing/settlement-outcomes.ts'
import { readFailed } from '../../src/store/clearing/settlement-read.ts'
import { commandRunner } from '../support/command.ts'
import { bankSays, original, status } from './bank-says.ts'
import { type BankWorld, bankWorld, EACH } from './bank-world.ts'

t.test('answers of banks: what people close, and messages as a whole', async (t) => {
  const world = await bankWorld(t)
  await closedAnswers(t, world)
  await wholeMessages(t, world)
  await rejectedAsOneByOne(t, world)
})

async function closedAnswers(t: Test, world: BankWorld): Promise<void> {
  const { owner, client, folder, url, instruct, stateOf, balanceOf, bank } = world
  const { answer } = bankSays(world)
  const run = commandRunner({ DATABASE_URL: url, MIZAN_VAR: folder })
  const listed = async (...args: string[]) =>
    JSON.parse((await run(bankCommand, ['answers', '--json', ...args])).out) as Record<string, unknown>[]

  await t.test('an open answer is closed with a reason, and nothing else changes', async (t) => {
    const { ids, messageId, outlet } = await instruct(1)
    const [id = ''] = ids
    const unapplied = await balanceOf('unappliedPayouts', outlet)
    await answer(original(messageId), [status(id, 'RJCT')])
    while ((await balanceOf('unappliedPayouts', outlet)) - unapplied !== EACH) await setTimeout(5)
    await answer(original(messageId), [status(id, 'ACSC')])
    const [open] = await listed('--end-to-end', id)
    t.match(open, { endToEndId: id, status: 'ACSC', outcome: /^unexpected: it was rejected/, isOpen: true })
    const place = `${open?.bankFile}:${open?.number}`
    const money = async () => {
      const { rows } = await owner.query('select count(*)::int as commands from command_inbox')
      const events = await owner.query('select count(*)::int as events from settlement_instruction_event')
      const failed = (await readFailed(client)).map(({ endToEndId }) => endToEndId)
      const stands = [await balanceOf('settlementTransit', bank.number), await balanceOf('unappliedPayouts', outlet)]
      return [rows, events.rows, failed, stands, await stateOf(id)]
    }
    const before = await money()
    const close = (of: string, reason: string) => run(bankCommand, ['close-answer', of, '--reason', reason])
    t.match((await close(place, '  ')).errors, /say in up to 500 characters what came of it/)
    t.match((await close(place, 'x'.repeat(501))).errors, /say in up to 500 characters/)
    t.match((await close('9999:1', 'nothing')).errors, /there is no answer 9999:1/)
    for (const wrong of ['1', '1:2:3', 'x:1', '1:99999999999'])
      t.match((await close(wrong, 'nothing')).errors, /an answer is FILE:NUMBER|must be a whole number/, wrong)
    t.match(
      (await close(`${Number(open?.bankFile) - 1}:1`, 'it did its work')).errors,
      /is not open: it is "released to rej/,
    )
    const closed = await close(place, 'the bank says by telephone that the rejection holds')
    t.match(closed, { status: 0, out: /ACSC: unexpected: .*; closed by system:.*: the bank says by telephone/ })
    t.same(await money(), before, 'it moves no money, and changes no payment')
    t.same(await listed('--end-to-end', id), [])
    t.match(await listed('--state', 'closed', '--end-to-end', id), [
      { isOpen: false, closedBy: /^system:/, closeReason: 'the bank says by telephone that the rejection holds' },
    ])
    t.equal((await listed('--state', 'any', '--end-to-end', id)).length, 2)
    t.match((await close(place, 'again')).errors, /is not open: it is closed by system:.* at 20/)
    const { rows } = await owner.query("select actor, detail from audit_event where action = 'bank-answer-close'")
    t.match(rows, [{ actor: /^system:/, detail: { bankFile: open?.bankFile, number: 1, reason: /telephone/ } }])
  })
}

async function wholeMessages(t: Test, world: BankWorld): Promise<void> {
  const { instruct, statesOf, balanceOf } = world
  const { answer, outcomesOf, statementsOf } = bankSays(world)
  await t.test('what is accepted as a whole after a rejection is left to people', async (t) => {
    const { ids, messageId } = await instruct(2)
    const [first = ''] = ids
    await answer(original(messageId), [status(first, 'RJCT')])
    const group = () => answer(`${original(messageId)}<GrpSts>ACSC</GrpSts>`, [])
    t.match((await group()).answers, { applied: 1, unexpected: 1 })
    t.same(await statesOf(ids), ['rejected', 'accepted'], 'the others are taken up')
    const why = 'unexpected: 1 of its payments were rejected, or not released: ask the bank'
    t.same(await outcomesOf(messageId), [`ACSC ${why}`])
    const early = await instruct(1)
    await world.owner.query(`update settlement_instruction set state = 'prepared' where end_to_end_id = any ($1)`, [
      early.ids,
    ])
    t.match((await answer(`${original(early.messageId)}<GrpSts>ACCP</GrpSts>`, [])).answers, {
      applied: 0,
      unexpected: 1,
    })
    t.same(await outcomesOf(early.messageId), [`ACCP ${why}`], 'no bank should have it')
    t.same(await statesOf(early.ids), ['prepared'])
  })

  await t.test('a message of many payments is rejected with as few statements as one of few', async (t) => {
    const [few, fifty] = [await instruct(2), await instruct(50)]
    const unapplied = await balanceOf('unappliedPayouts', few.outlet)
    const refusal = (messageId: string) => statementsOf(() => answer(`${original(messageId)}<GrpSts>RJCT</GrpSts>`, []))
    const refused = await refusal(few.messageId)
    t.equal(await refusal(fifty.messageId), refused, 'neither to reject them')
    t.same(await statesOf(fifty.ids), Array(50).fill('rejected'))
    while ((await balanceOf('unappliedPayouts', few.outlet)) - unapplied !== 52 * EACH) await setTimeout(5)
  })
}

async function rejectedAsOneByOne(t: Test, { owner, client, instruct, ...world }: BankWorld): Promise<void> {
  const { answer } = bankSays({ owner, client, instruct, ...world })
  await t.test('a message is rejected as its payments would be one by one', async (t) => {
    const { ids, messageId } = await instruct(7)
    const [, second, third, fourth, fifth] = ids
    // Two of other outlets, a net position to collect and one to pay of two accounts, and one that was rejected before.
    await owner.query(
      `with changed as (
         update settlement_instruction i set outlet_id = o.id
         from (select id, row_number() over (order by id) as n from outlet) o
         where o.n = 2 and i.end_to_end_id = any ($1) returning i.id, o.id as outlet)
       update settlement_instruction_line l set account = 7001 * 100000000000 + c.outlet from changed c where c.id = l.instruction_id`,
      [[second, third]],
    )
    for (const [id, sign] of [
      [fourth, 1],
      [fifth, -1],
    ] as const) {
      await owner.query(
        `with changed as (
           update settlement_instruction set kind = 'pacs.009', purpose = 'net', direction = $2, outlet_id = null,
             institution_kind = 'acquirer', institution = 400001 where end_to_end_id = $1 returning id, amount_piasters),
         gone as (delete from settlement_instruction_line l using changed c where l.instruction_id = c.id)
         insert into settlement_instruction_line
         select c.id, k * 100000000000 + 400001, case k when 7002 then 3 * $3 * amount_piasters else -2 * $3 * amount_piasters end
         from changed c, unnest(array[7002, 7003]::bigint[]) k`,
        [id, sign > 0 ? 'pay' : 'collect', sign],
      )
    }
    await answer(original(messageId), [status(ids.at(-1) ?? '', 'RJCT')])
    /** All that is written, and undone again. */
    const written = async (work: () => Promise<unknown>) => {
      await client.query('begin')
      try {
        await client.query('update payout_suspension set ended_at = now(), ended_by = $1 where ended_at is null', ['t'])
        const [{ n }] = (await client.query<{ n: string }>('select max(id) as n from command_inbox')).rows as [
          { n: string },
        ]
        await work()
        const all = async (sql: string, ...values: unknown[]) =>
          (await client.query({ text: sql, values, rowMode: 'array' })).rows
        return {
          commands: await all(
            'select lane, kind, detail, requested_by, idempotency_key from command_inbox where id > $1 order by id',
            n,
          ),
          instructions: await all(
            'select end_to_end_id, state, reason_code, reason from settlement_instruction where end_to_end_id = any ($1) order by 1',
            ids,
          ),
          events: await all(
            `select i.end_to_end_id, e.state, e.source, e.reason_code, e.reason, e.posting_reference, e.piasters
             from settlement_instruction_event e join settlement_instruction i on i.id = e.instruction_id
             where i.end_to_end_id = any ($1) order by e.id`,
            ids,
          ),
          suspensions: await all(
            `select outlet_id, cause, end_to_end_id, bank_code, account, reason, actor from payout_suspension
             where ended_at is null order by id`,
          ),
        }
      } finally {
        await client.query('rollback')
      }
    }
    for (const more of [{}, { reasonCode: 'AC04' }, { reason: 'x'.repeat(600), reasonCode: 'MS03' }]) {
      const news = { status: 'RJCT', source: `pain.002 ${'M'.repeat(100)}`, ...more } as const
      const whole = await written(() => applyFileStatus(client, { ...news, messageId }))
      const each = await written(async () => {
        for (const endToEndId of ids.toSorted()) await applyStatus(client, { ...news, endToEndId })
      })
      t.same(whole, each, JSON.stringify(more).slice(0, 40))
      t.same([whole.commands.length, whole.suspensions.length], [6, 2])
    }
  })
}
