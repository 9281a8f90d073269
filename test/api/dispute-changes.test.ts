import t from 'tap'
import { addDays, businessDate, civilDate, formatDate } from '../../src/calendar.ts'
import { RESPONSE_DAYS } from '../../src/store/clearing/network-disputes.ts'
import { apiWorld } from './api-world.ts'

const HOUR_MS = 3_600_000

t.test('what is disputed behind the cutover is of the next business date', async (test) => {
  const { as, clock, owner, services } = await apiWorld(test, { households: 1 })
  // A quarter of an hour behind the cutover of 22:30, civil time of Cairo.
  const isBehind = (ms: number) =>
    businessDate(ms, services.cutoverMinutes) !== civilDate(ms) &&
    businessDate(ms - HOUR_MS / 4, services.cutoverMinutes) === civilDate(ms)
  const hour = Math.ceil(clock.now() / (HOUR_MS / 4)) * (HOUR_MS / 4)
  const at = Array.from({ length: 100 }, (_, quarter) => hour + (quarter * HOUR_MS) / 4).find(isBehind) ?? 0
  clock.advance(at - clock.now())
  const date = addDays(civilDate(at), 1)
  await owner.query(`
    insert into clearing_file (direction, type, institution, business_date, name, path, state, bytes, sha256)
      values ('in', 'ITF', '400000', '2020-01-01', 'planted', 'in/planted', 'received', 1, decode(repeat('ab', 32), 'hex'));
    insert into network_item (file_id, number, record, transaction_code, arn, amount_piasters, currency, purchase_date, state, reason,
        business_date, lane, card_id, household_id)
      select f.id, 1, 1, '05', '24000006326000000000015', 500, '818', '2020-01-01', 'exception', 'unmatched', '2020-01-01', c.lane, c.id,
        c.household_id
      from clearing_file f, card c where f.name = 'planted' and c.household_id = 1 limit 1`)
  const twice = async (kind: string, payload: object) => {
    const { body } = await as('operator')('/change-requests', { body: { kind, payload, reason: 'not his' } })
    const told = await as('settlement')(`/change-requests/${body.changeId}/approve`, { body: {} })
    test.match(told, { status: 200, body: { state: 'approved' } })
  }
  const { rows: files } = await owner.query<{ id: string }>('select id from clearing_file')
  await twice('dispute-raise', { fileId: Number(files[0]?.id), number: 1, reasonCode: '83' })
  await twice('dispute-withdraw', { disputeId: 1 })
  const dispute = await as('auditor')('/disputes/1')
  test.match(dispute.body, { state: 'withdrawn', respondBy: formatDate(addDays(date, RESPONSE_DAYS)) })
  const { rows } = await owner.query('select transaction_code, business_date from outgoing_dispute_item order by id')
  const expected = ['15', '35'].map((code) => ({ transaction_code: code, business_date: formatDate(date) }))
  test.same(rows, expected, 'the file of the date that is open takes them')
})
