import t from 'tap'
import { keysOfTransmission } from '../../src/authorization/message-key.ts'
import type { CivilDate } from '../../src/calendar.ts'
import { moneyAccount } from '../../src/ledger/accounts.ts'
import type { Batch } from '../../src/store/batch.ts'
import { connect } from '../../src/store/connection.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import type { LanePosition } from '../../src/store/lane-journal.ts'
import { LaneStore } from '../../src/store/lane-store.ts'
import { enqueueCutover, forwardsOf } from '../../src/store/outbound-message.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { atMs, batchAfter, ended } from '../support/batches.ts'
import { createTestDatabase, type TeardownHost } from '../support/database.ts'

async function openStores(t: TeardownHost, count: number): Promise<{ url: string; stores: LaneStore[] }> {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 1)
  const stores = Array.from({ length: count }, () => new LaneStore({ url, lane: 0, commitTimeoutMs: 10_000 }))
  t.teardown(() => Promise.all(stores.map((store) => store.close())))
  return { url, stores }
}

t.test('the second writer of a lane fences the first', async (t) => {
  const { url, stores } = await openStores(t, 2)
  const [first, second] = stores as [LaneStore, LaneStore]
  const own = (await first.take()) as LanePosition
  t.match(own, { epoch: 1, lastSeq: 0, nextId: 64 })
  const committed = await ended(first.commit(batchAfter(own), own.lastHash))
  t.equal(committed.kind, 'committed')
  const taken = (await second.take()) as LanePosition
  t.match(taken, { epoch: 2, lastSeq: 1, nextId: 128 })
  const late = await ended(first.commit(batchAfter({ ...own, lastSeq: 1, nextId: 128 }), taken.lastHash))
  t.equal(late.kind, 'fenced')
  t.equal(await first.take(own.epoch), undefined, 'nor can it come back')
  const next = await ended(second.commit(batchAfter(taken), taken.lastHash))
  t.equal(next.kind, 'committed')
  t.ok((await verifyLedger(url)).every((result) => result.ok))
})

t.test(
  'what a lane knows is read at its start however long that takes, and a commit may take no longer for it',
  async (t) => {
    const { url } = await openStores(t, 0)
    const owner = await connect({ url, name: 'test' })
    await owner.query(`
    alter function keys_within(smallint, date, uuid, uuid, integer) rename to keys_within_at_once;
    create function keys_within(p_lane smallint, p_since date, p_from uuid, p_to uuid, p_limit integer)
      returns setof uuid language plpgsql as $$
      begin
        perform pg_sleep(1);
        return query select * from keys_within_at_once(p_lane, p_since, p_from, p_to, p_limit);
      end $$`)
    const store = new LaneStore({ url, lane: 0, commitTimeoutMs: 500 })
    t.teardown(() => Promise.all([store.close(), owner.end()]))
    await store.take()
    const [from, to] = keysOfTransmission('1122100000')
    t.strictSame(await store.keysWithin(20_261_122 as CivilDate, from, to, 10), [])
    await owner.query('begin')
    await owner.query('select from lane for update')
    const position = { epoch: 1, lastSeq: 0, lastHash: Buffer.alloc(32), nextId: 64, openDate: 20000101 as CivilDate }
    t.match(await ended(store.commit(batchAfter(position), position.lastHash)), { kind: 'refused', code: '57014' })
    await owner.query('rollback')
  },
)

t.test('a writer that took the lane and did not hear of it takes it again; another one does not', async (t) => {
  const { stores } = await openStores(t, 2)
  const [store, other] = stores as [LaneStore, LaneStore]
  const before = (await store.take()) as LanePosition
  const unheard = (await store.take(before.epoch)) as LanePosition
  t.equal(unheard.epoch, before.epoch + 1)
  const back = (await store.take(before.epoch)) as LanePosition
  t.equal(back.epoch, unheard.epoch + 1, 'by the epoch that it knew')
  t.equal(await other.take(before.epoch), undefined)
  t.match(await other.take(), { epoch: back.epoch + 1 })
  t.equal(await store.take(back.epoch), undefined, 'the other one has it now')
})

t.test('a batch is in once, however often it is sent', async (t) => {
  const { stores } = await openStores(t, 1)
  const [store] = stores as [LaneStore]
  const position = (await store.take()) as LanePosition
  const batch = batchAfter(position)
  const outcome = await ended(store.commit(batch, position.lastHash))
  t.equal(outcome.kind, 'committed')
  t.equal((await ended(store.commit(batch, position.lastHash))).kind, 'fenced')
  const skipping = batchAfter({ ...position, lastSeq: 5, nextId: 128 })
  t.equal((await ended(store.commit(skipping, position.lastHash))).kind, 'fenced', 'a batch that leaves a gap')
})

t.test('after an unknown outcome the lane tells whether the batch is in', async (t) => {
  const { stores } = await openStores(t, 1)
  const [store] = stores as [LaneStore]
  const before = (await store.take()) as LanePosition
  const lost = batchAfter(before)
  store.drop()
  const unknown = await ended(store.commit(lost, before.lastHash))
  t.equal(unknown.kind, 'unknown')
  const back = (await store.take(before.epoch)) as LanePosition
  t.match(back, { epoch: before.epoch + 1, lastSeq: 0 }, 'it is not in')
  const again = { ...lost, epoch: back.epoch }
  const pending = ended(store.commit(again, back.lastHash))
  store.drop()
  const outcome = await pending
  const found = (await store.take(back.epoch)) as LanePosition
  const isIn = found.lastSeq === again.seq
  if (isIn) t.ok(found.lastHash.equals(outcome.hash), 'and it is this very batch')
  t.equal(isIn, await store.hasBatch(again.seq, found.lastHash), 'both ways of asking agree')
})

t.test(
  'a batch may be sent before the one ahead of it is answered: both are in, or it follows the first',
  async (t) => {
    const { url, stores } = await openStores(t, 1)
    const [store] = stores as [LaneStore]
    let position = (await store.take()) as LanePosition
    const both = (first: Batch, second: Batch) => {
      const ahead = store.commit(first, position.lastHash)
      return Promise.all([ended(ahead), ended(store.commit(second, ahead.hash))])
    }
    const batchBehind = (batch: Batch) => batchAfter({ ...position, lastSeq: batch.seq, nextId: batch.nextId })

    const first = batchAfter(position)
    const second = batchBehind(first)
    const [one, other] = await both(first, second)
    t.same([one.kind, other.kind], ['committed', 'committed'])
    position = { ...position, lastSeq: second.seq, nextId: second.nextId, lastHash: other.hash }

    const wallet = { account: moneyAccount('postalAccount', 1), period: 0, posted: 0, held: 0 }
    const bad = { ...batchAfter(position), changedBalances: [wallet] }
    const [refused, fenced] = await both(bad, batchBehind(bad))
    t.match(refused, { kind: 'refused', constraint: 'balance_known' })
    t.equal(fenced.kind, 'fenced', 'what followed it is not in either')

    const client = await connect({ url, name: 'test' })
    t.teardown(() => client.end())
    const third = batchAfter(position)
    await client.query('begin')
    await client.query('select from lane where lane = 0 for update')
    const lost = both(third, batchBehind(third))
    for (let killed = 0; killed === 0; ) {
      const { rowCount } = await client.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mizan lane 0' and wait_event_type = 'Lock'`,
      )
      killed = rowCount ?? 0
    }
    await client.query('commit')
    t.same(
      (await lost).map(({ kind }) => kind),
      ['unknown', 'unknown'],
      'a connection that is lost tells of neither',
    )
    t.match(await store.take(position.epoch), { lastSeq: position.lastSeq }, 'neither is in')
    t.ok((await verifyLedger(url)).every((result) => result.ok))
  },
)

t.test('a balance that the writer takes for known must be in the database; a shared account may be new', async (t) => {
  const { url, stores } = await openStores(t, 1)
  const [store] = stores as [LaneStore]
  const own = (await store.take()) as LanePosition
  const wallet = { account: moneyAccount('postalAccount', 7), period: 0, posted: 0, held: 0 }
  const unknown = await ended(store.commit({ ...batchAfter(own), changedBalances: [wallet] }, own.lastHash))
  t.match(unknown, { kind: 'refused', constraint: 'balance_known' })
  const shared = new Map([[moneyAccount('postalPool', 0), 0]])
  const first = await ended(
    store.commit({ ...batchAfter(own), openedBalances: [wallet], sharedBalances: shared }, own.lastHash),
  )
  t.equal(first.kind, 'committed', 'each is opened at its first use')
  const { seq, nextId } = batchAfter(own)
  const then: LanePosition = { ...own, lastSeq: seq, nextId, lastHash: first.hash }
  const next = { ...batchAfter(then), changedBalances: [wallet], sharedBalances: shared }
  t.equal((await ended(store.commit(next, first.hash))).kind, 'committed', 'and changed from then on')
  t.ok((await verifyLedger(url)).every((result) => result.ok))
})

t.test('what a commit says of cards and commands must be in the database, and open', async (t) => {
  const { url, stores } = await openStores(t, 1)
  const [store] = stores as [LaneStore]
  const own = (await store.take()) as LanePosition
  const client = await connect({ url, name: 'test' })
  t.teardown(() => client.end())
  await client.query(`
    insert into household (lane, id, governorate, closed_month, old_ration_card) values (0, 1, 'PTS', 202610, 'none');
    insert into card (lane, id, household_id, kind, pan_index, pan_masked, pan_encrypted, key_version, expiry, sequence_number,
                      service_code, status)
      values (0, 1, 1, 'family', decode(repeat('aa', 16), 'hex'), 'masked', '', 1, '3012', '01', '201', 'active');
    insert into card_counter (lane, card_id) values (0, 1);
    insert into command_inbox (lane, kind, card_id, requested_by) values (0, 'pin-reset', 1, 'tester')`)
  const { rows } = await client.query<{ id: number }>('select id::int from command_inbox')
  const commandId = rows[0]?.id ?? 0
  const counters = { pinFailures: 2, atc: 9, atcSeen: 5 }
  const done = { commandId, doneId: own.nextId, outcome: 'done: a test' }
  const batch = {
    ...batchAfter(own),
    cardStatuses: [{ cardId: 1, status: 'restricted' as const }],
    cardCounters: [{ cardId: 1, counters, scriptPending: 'pin-unblock' as const }],
    commandsDone: [done],
  }
  const refusal = async (changes: Partial<Batch>) => ended(store.commit({ ...batch, ...changes }, own.lastHash))
  const unknown = { cardStatuses: [{ cardId: 7, status: 'lost' as const }] }
  t.match(await refusal(unknown), { kind: 'refused', constraint: 'card_known' })
  t.match(await refusal({ cardCounters: [{ cardId: 7, counters, scriptPending: undefined }] }), {
    kind: 'refused',
    constraint: 'card_counter_known',
  })
  t.match(await refusal({ commandsDone: [{ ...done, commandId: commandId + 1 }] }), {
    kind: 'refused',
    constraint: 'command_open',
  })
  t.match(await refusal({ commandsDone: [done, done] }), { kind: 'refused', constraint: 'command_open' })
  t.match(await refusal({ commandsDone: [{ ...done, doneId: own.nextId + 64 }] }), { kind: 'refused', code: '23503' })
  const state = async () => {
    const found = await client.query(`select c.status, n.pin_failures, n.atc, n.atc_seen::int, n.script_pending,
      i.done_id::int, i.outcome from card c, card_counter n, command_inbox i`)
    return found.rows[0]
  }
  t.match(
    await state(),
    { status: 'active', pin_failures: 0, script_pending: null, done_id: null },
    'nothing of it is in',
  )

  const committed = await ended(store.commit(batch, own.lastHash))
  t.equal(committed.kind, 'committed')
  t.match(await state(), {
    status: 'restricted',
    pin_failures: 2,
    atc: 9,
    atc_seen: 5,
    script_pending: 'pin-unblock',
    done_id: own.nextId,
    outcome: 'done: a test',
  })
  if (committed.kind !== 'committed') return
  const then: LanePosition = { ...own, lastSeq: batch.seq, nextId: batch.nextId, lastHash: committed.hash }
  const again = { ...batchAfter(then), commandsDone: [{ ...done, doneId: then.nextId }] }
  t.match(
    await ended(store.commit(again, committed.hash)),
    { kind: 'refused', constraint: 'command_open' },
    'it is done once',
  )
  const sent = { ...batchAfter(then), cardCounters: [{ cardId: 1, counters, scriptPending: undefined }] }
  t.equal((await ended(store.commit(sent, committed.hash))).kind, 'committed')
  t.match(await state(), { script_pending: null })
})

t.test('messages of our own are queued with the batch that causes them, or not at all', async (t) => {
  const { url, stores } = await openStores(t, 1)
  const [store] = stores as [LaneStore]
  const own = (await store.take()) as LanePosition
  const advice = (stan: string | undefined): Batch['forwards'][number] => ({
    authorizationId: own.nextId,
    destination: 'post',
    kind: 'advice',
    mti: '0220',
    cardId: undefined,
    fields: JSON.stringify({ 3: '000000', 4: '000000001000', ...(stan === undefined ? {} : { 11: stan }) }),
  })
  const batch = { ...batchAfter(own), forwards: [advice(undefined), advice('000007')] }
  const fenced = await ended(store.commit({ ...batch, epoch: 99 }, own.lastHash))
  t.equal(fenced.kind, 'fenced')
  const track = { ...advice(undefined), fields: '{"35":"4000000000000002=2912"}' }
  const refused = await ended(store.commit({ ...batch, forwards: [track] }, own.lastHash))
  t.match(refused, { kind: 'refused', constraint: 'outbound_message_fields' }, 'a track is never kept')
  const client = await connect({ url, name: 'test', role: 'mizan_app' })
  t.teardown(() => client.end())
  t.equal((await client.query('select from outbound_message')).rowCount, 0)

  t.equal((await ended(store.commit(batch, own.lastHash))).kind, 'committed')
  const { rows } = await client.query(
    'select stan, transmission, fields, batch_seq, attempts from outbound_message order by id',
  )
  t.match(rows[0]?.stan, /^[5-9][0-9]{5}$/, 'the queue gives a STAN where the decision does not')
  const fields = { 3: '000000', 4: '000000001000' }
  t.match(rows[1], { stan: '000007', transmission: '1118090000', fields, batch_seq: '1', attempts: 0 })
  t.notOk(11 in rows[1].fields, 'and keeps it apart')
  const found = await forwardsOf(client, [own.nextId])
  t.match(found, [
    { state: 'waiting', kind: 'advice' },
    { state: 'waiting', stan: '000007' },
  ])
})

t.test('a cutover is queued once for a destination and business date', async (t) => {
  const { url } = await openStores(t, 1)
  const client = await connect({ url, name: 'test', role: 'mizan_app' })
  t.teardown(() => client.end())
  t.type(await enqueueCutover(client, 'post', '2026-11-18', atMs), 'number')
  t.equal(await enqueueCutover(client, 'post', '2026-11-18', atMs), undefined)
  t.type(await enqueueCutover(client, 'other', '2026-11-18', atMs), 'number')
  await t.rejects(enqueueCutover(client, 'post', '18 November', atMs), { code: 'BAD_INPUT' })
  const { rows } = await client.query(`select mti, fields, subject from outbound_message where destination = 'post'`)
  t.same(rows, [{ mti: '0800', fields: { 15: '1118', 70: '201' }, subject: '2026-11-18' }])
  await t.rejects(client.query(`update outbound_message set mti = '0820'`), /permission denied/)
  await t.rejects(client.query('delete from outbound_message'), /permission denied/)
})
