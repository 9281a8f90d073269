import fc from 'fast-check'
import t from 'tap'
import { type CivilDate, formatDate } from '../../src/calendar.ts'
import { ownFiles } from '../../src/clearing/outgoing/write-step.ts'
import { type ItemTotals, itemTotals, ledgerTotals } from '../../src/store/clearing/file-totals.ts'
import { selectItems } from '../../src/store/clearing/selection.ts'
import type { PartOptions } from '../../src/store/clearing/selection-parts.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { createTestDatabase } from '../support/database.ts'

const DATE = 20261118 as CivilDate
const BEFORE = 20261117 as CivilDate
const SPAN = 100_000_000_000
const HOUSEHOLD = 6001 * SPAN + 7
const SCHEME = 7004 * SPAN
const CASH = 7003 * SPAN + 400_001
const OUTLETS = 4
const plan = { businessDate: DATE, processingBin: '400000', railLinks: ['visa'], actor: 'test' }

interface Leg {
  readonly kind: number
  readonly debit: number
  readonly credit: number
  readonly amount: number
}

/** An authorization of a family, which may name another one of it that came before. */
interface Member {
  readonly mti: string
  readonly legs: readonly Leg[]
  /** Place in the family of what it completes or takes back. */
  readonly of?: number
  readonly link?: string
  readonly outlet?: number
  /** Of the day before. */
  readonly isEarlier?: boolean
}

const leg = (kind: number, debit: number, credit: number, amount: number): Leg => ({ kind, debit, credit, amount })
const paid = (amount: number) => [leg(10, HOUSEHOLD, SCHEME, amount)]
const back = (amount: number) => [leg(17, SCHEME, HOUSEHOLD, amount)]
const reversal = (of: number, legs: readonly Leg[]): Member => ({ mti: '0400', of, legs })

/** Parts of an amount, which together are no more than it. */
const partsOf = (amount: number, shares: readonly number[]) =>
  shares.map((share) => Math.max(1, Math.floor((amount * share) / 400)))
const amounts = fc.integer({ min: 100, max: 9_000 })
const shares = fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 3 })

const purchases = fc
  .record({ amount: amounts, taken: shares, isEarlier: fc.boolean() })
  .map(({ amount, taken, isEarlier }) => [
    { mti: '0200', legs: paid(amount), isEarlier },
    ...partsOf(amount, taken).map((part) => reversal(0, back(part))),
  ])
/** A hold, captures of it, reversals of the hold, and one of its first capture. */
const captures = fc
  .record({
    amount: amounts,
    captured: fc.integer({ min: 1, max: 3 }),
    taken: shares,
    isEarlier: fc.boolean(),
    ofFirst: fc.boolean(),
  })
  .map(({ amount, captured, taken, isEarlier, ofFirst }): Member[] => [
    { mti: '0100', legs: [], isEarlier },
    ...Array.from({ length: captured }, (): Member => ({ mti: '0220', of: 0, legs: paid(amount) })),
    ...partsOf(amount, taken).map((part) => reversal(0, back(part))),
    ...(ofFirst ? [reversal(1, back(Math.max(1, Math.floor(amount / 5))))] : []),
  ])
const refunds = fc
  .record({ amount: amounts, isUndone: fc.boolean() })
  .map(({ amount, isUndone }): Member[] => [
    { mti: '0200', legs: paid(amount) },
    { mti: '0220', of: 0, legs: [leg(16, SCHEME, HOUSEHOLD, amount)] },
    ...(isUndone ? [reversal(1, [leg(20, HOUSEHOLD, SCHEME, amount)])] : []),
  ])
const cash = fc
  .record({ amount: amounts, isBack: fc.boolean(), isHome: fc.boolean() })
  .map(({ amount, isBack, isHome }): Member[] => {
    const link = isHome ? 'ascii' : 'visa'
    return [
      { mti: '0200', link, legs: [leg(11, HOUSEHOLD, CASH, amount)] },
      ...(isBack ? [{ ...reversal(0, [leg(17, CASH, HOUSEHOLD, amount)]), link }] : []),
    ]
  })
const bread = fc
  .record({
    loaves: fc.integer({ min: 1, max: 20 }),
    outlet: fc.integer({ min: 1, max: OUTLETS }),
    undone: fc.integer({ min: 0, max: 2 }),
  })
  .chain((one) =>
    fc.record({ isEarlier: fc.boolean(), programme: fc.constantFrom(1, 2) }).map((more) => ({ ...one, ...more })),
  )
  .map(({ loaves, outlet, undone, isEarlier, programme }): Member[] => {
    const wallet = 1100 * SPAN + programme * SPAN + 7
    const redeemed = 2100 * SPAN + programme * SPAN + outlet
    const own = { link: 'ascii', outlet }
    const drawn = [leg(2, wallet, redeemed, loaves), leg(13, HOUSEHOLD, 7001 * SPAN + outlet, loaves * 20)]
    return [
      { ...own, mti: '0200', legs: drawn, isEarlier },
      {
        ...own,
        ...reversal(0, [leg(3, redeemed, wallet, loaves), leg(17, 7001 * SPAN + outlet, HOUSEHOLD, loaves * 20)]),
      },
      { ...own, ...reversal(1, [leg(6, wallet, redeemed, loaves)]) },
    ].slice(0, 1 + undone)
  })
const families = fc.oneof(purchases, captures, refunds, cash, bread) as fc.Arbitrary<Member[]>
const timed = families.chain((members) =>
  // When each came: in the order of the family, with others between.
  fc.record({
    members: fc.constant(members),
    times: fc.array(fc.nat(1_000), { minLength: members.length, maxLength: members.length }),
  }),
)
type Day = readonly { readonly members: readonly Member[]; readonly times: readonly number[] }[]

/** Puts the rows of a day where the writer would have left them. */
async function load(client: Client, day: Day): Promise<void> {
  const events = day.flatMap(({ members, times }, family) => {
    const sorted = times.toSorted((a, b) => a - b)
    return members.map((member, place) => ({
      member,
      family,
      place,
      time: member.isEarlier === true ? -1 : (sorted[place] ?? 0),
    }))
  })
  events.sort((a, b) => a.time - b.time || a.family - b.family || a.place - b.place)
  const ids = new Map(
    events.map(({ family, place }, rank) => [`${family} ${place}`, 1_000_000 + rank * 64 + (family % 2)]),
  )
  const rows = events.map(({ member, family, place }) => ({
    ...{
      id: ids.get(`${family} ${place}`),
      lane: family % 2,
      date: formatDate(member.isEarlier === true ? BEFORE : DATE),
    },
    ...{ mti: member.mti, link: member.link ?? 'visa', outlet_id: member.outlet ?? null },
    original_id: member.of === undefined ? null : ids.get(`${family} ${member.of}`),
  }))
  const legs = events.flatMap(({ member, family, place }) =>
    member.legs.map((one, ordinal) => ({
      ...one,
      ordinal,
      of: rows.find(({ id }) => id === ids.get(`${family} ${place}`)),
    })),
  )
  await client.query(`set session_replication_role = replica; truncate authorization_journal, transfer`)
  await client.query(
    `insert into authorization_journal
     select r.lane, r.date, r.id, 0, r.date, r.date + interval '9 hours', r.link, r.mti, md5('k' || r.id)::uuid, md5('c' || r.id)::uuid,
            '400001', 'T1', 'SHOP1', r.outlet_id, '000001', '1118070000', '1', '', '4', 7, 7, '00', '20', '5411', 1, 1, 'approved', '00',
            r.original_id, null, '{}', '[]'
     from jsonb_to_recordset($1) r(lane smallint, date date, id bigint, link text, mti text, outlet_id bigint, original_id bigint)`,
    [JSON.stringify(rows)],
  )
  await client.query(
    `insert into transfer
     select r.lane, r.date, r.id, r.ordinal, 0, r.kind, r.debit, r.credit, r.amount, case when r.kind <= 8 then 20261118 else 0 end
     from jsonb_to_recordset($1) r(lane smallint, date date, id bigint, ordinal smallint, kind smallint, debit bigint, credit bigint, amount bigint)`,
    [JSON.stringify(legs.map(({ of, ...one }) => ({ ...one, lane: of?.lane, date: of?.date, id: of?.id })))],
  )
}

/** What was selected, by the names of files. */
async function selected(client: Client): Promise<unknown> {
  const { rows: items } = await client.query(
    `select f.name, i.* from clearing_item i join clearing_file f on f.id = i.file_id order by f.name, i.number`,
  )
  const { rows: files } = await client.query('select name, type, institution, state from clearing_file order by id')
  const { rows: outlets } = await client.query('select * from clearing_outlet order by outlet_id')
  const { rows: summaries } = await client.query('select summary from clearing_selection')
  return { items: items.map(({ file_id: _, ...item }) => item), files, outlets, summaries }
}

/** As if nothing had been selected yet. */
/** What the items of each file of the date come to. */
async function totalsOfFiles(client: Client, options: PartOptions = {}): Promise<ItemTotals[]> {
  const totals: ItemTotals[] = []
  for (const file of await ownFiles(client, DATE)) totals.push(await itemTotals(client, file, options))
  return totals
}

async function forget(client: Client): Promise<void> {
  await client.query(`
    drop table if exists clearing_item_${DATE};
    delete from clearing_draft; delete from clearing_selection; delete from clearing_outlet; delete from clearing_rail;
    delete from clearing_file_event; delete from clearing_file`)
}

t.test('items are taken in parts', async (t) => {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 2)
  const client = await connect({ url, name: 'mizan test' })
  t.teardown(() => client.end())
  await client.query(`select ensure_partitions('${formatDate(BEFORE)}', 3)`)
  await client.query(
    `insert into outlet (id, acceptor_id, name, category, mcc, governorate)
     select n, 'BAKERY' || n, 'Bakery ' || n, 'bakery', '5462', 'cairo' from generate_series(1, ${OUTLETS}) n`,
  )
  await client.query(
    `insert into outlet_detail (outlet_id, settlement_bank, settlement_account)
     select n, case when n < 3 then 'NBE' else 'MISR' end, 'EG' || lpad(n::text, 20, '0') from generate_series(1, ${OUTLETS - 1}) n
     on conflict do nothing`,
  )
  /** By a connection of its own, as each step has. */
  const take = async (options: PartOptions = {}, by = plan) => {
    const own = await connect({ url, name: 'mizan test', role: 'mizan_app' })
    try {
      return await selectItems(own, by, options)
    } finally {
      await own.end().catch(() => undefined)
    }
  }

  t.test('parts of any size take the same', async (t) => {
    const sizes = fc.record({
      authorizationsInPart: fc.integer({ min: 1, max: 12 }),
      partsWhileIdle: fc.integer({ min: 1, max: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(timed, { minLength: 1, maxLength: 25 }), sizes, async (day, size) => {
        await load(client, day)
        await forget(client)
        await take({ authorizationsInPart: 100_000 })
        const whole = await selected(client)
        const ledger = await ledgerTotals(client, DATE)
        t.same(await ledgerTotals(client, DATE, size), ledger, 'the ledger, in parts of any size')
        const totals = await totalsOfFiles(client)
        t.same(await totalsOfFiles(client, size), totals, 'the items, in parts of any size')
        const sum = (of: (one: (typeof totals)[number]) => bigint) => totals.reduce((total, one) => total + of(one), 0n)
        const units = [...ledger.subsidies.values()].reduce((total, one) => total + one, 0n)
        t.equal(
          sum(({ netPiasters }) => netPiasters),
          ledger.networkPiasters,
          'what the ledger has',
        )
        t.equal(
          sum(({ dispensed, returned }) => dispensed - returned),
          units,
        )
        await forget(client)
        await take(size)
        t.same(await selected(client), whole)
      }),
      { numRuns: 8 },
    )
  })

  t.test('cut off between parts or in one of them, it goes on behind the last', async (t) => {
    await load(client, fc.sample(timed, { numRuns: 25, seed: 7 }))
    await forget(client)
    await take()
    const whole = await selected(client)
    await forget(client)
    const size = { authorizationsInPart: 6, partsWhileIdle: 1 }
    let isDone = false
    let cuts = 0
    const seen: (number | undefined)[] = []
    while (!isDone) {
      const own = await connect({ url, name: 'mizan test', role: 'mizan_app' })
      own.on('error', () => undefined)
      const { rows } = await client.query<{ pid: number }>(
        'select pid from pg_stat_activity where application_name = $1 and pid <> pg_backend_pid() and datname = current_database()',
        ['mizan test'],
      )
      const stop = new AbortController()
      // In turn it is told to stop, and its connection is cut, wherever it is by then.
      const cut = () => {
        cuts++
        if (cuts % 2 === 0) stop.abort(new Error('told to stop'))
        else for (const { pid } of rows) void client.query('select pg_terminate_backend($1)', [pid])
      }
      const progress = (words: string, done?: number, total?: number) => {
        if (!words.startsWith('taking')) return
        seen.push(done)
        if (done !== total) cut()
      }
      isDone = await selectItems(own, plan, { ...size, signal: stop.signal, progress }).then(
        () => true,
        () => false,
      )
      await own.end().catch(() => undefined)
      if (isDone) break
      t.same(
        await selected(client),
        { items: [], files: [], outlets: (whole as { outlets: unknown }).outlets, summaries: [] },
        'nobody sees a half',
      )
    }
    t.ok(cuts > 5, `${cuts} cuts`)
    t.same(
      seen,
      [...new Set(seen)].toSorted((a, b) => Number(a) - Number(b)),
      'no part is taken twice',
    )
    t.same(await selected(client), whole)
    await t.rejects(client.query(`select begin_clearing_items('${formatDate(DATE)}', '{}', '[]')`), {
      message: /were selected before/,
    })
  })

  t.test('what was taken for another plan is taken anew', async (t) => {
    const elsewhere = { ...plan, railLinks: ['scheme'] }
    await forget(client)
    await take()
    const whole = await selected(client)
    await forget(client)
    const stop = new AbortController()
    const progress = (words: string) => words.startsWith('taking') && stop.abort(new Error('told to stop'))
    await t.rejects(
      take(
        { authorizationsInPart: 9, partsWhileIdle: 1, signal: stop.signal, progress },
        { ...elsewhere, processingBin: '499999' },
      ),
      { message: 'told to stop' },
    )
    const { rows } = await client.query('select taken_to from clearing_draft')
    t.match(rows, [{ taken_to: /\d/ }], 'some were taken')
    await client.query(`delete from clearing_rail`)
    await take()
    t.same(await selected(client), whole)
  })
})
