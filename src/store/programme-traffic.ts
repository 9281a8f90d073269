import type { PastHousehold, PastMessage } from '../authorization/replay.ts'
import type { Result } from '../authorization/result.ts'
import { addDays, type CivilDate, formatDate, parseDate } from '../calendar.ts'
import type { CardKind, HouseholdTerm } from '../card/household.ts'
import type { AccountNumber } from '../ledger/accounts.ts'
import type { Client } from './connection.ts'

/** Which messages to read. */
export interface TrafficFilter {
  readonly from: CivilDate
  readonly to: CivilDate
  /** Codes of the programmes whose draws are wanted. */
  readonly codes: readonly string[]
  /** Account codes whose messages are wanted though no programme had them. */
  readonly accountCodes: readonly string[]
}

interface MessageRow {
  readonly id: string
  readonly lane: number
  readonly household_id: string
  readonly mti: string
  readonly transaction_type: string
  readonly account_code: string
  readonly entitlement_date: string
  readonly received_at: Date
  readonly amount: string
  readonly approved_amount: string
  readonly result: Result
  readonly acceptor: string
  readonly terminal: string
  readonly original_id: string | null
  readonly card_kind: CardKind | null
  readonly trace: string
  readonly lines: { product: string; quantity: number; unit_price: number }[] | null
}

interface HouseholdRow {
  readonly id: string
  readonly governorate: string
  readonly classes: string[]
  readonly terms: { from: CivilDate; members: number; status: HouseholdTerm['status'] }[]
  readonly balances: { account: number; period: number; posted: number }[] | null
}

/** Rows of one fetch: what is in memory, besides one household that goes on in the next. */
const FETCH_ROWS = 5_000

/**
 * Streams households with their draws on programmes in a span of dates, and what gave draws back, in one read-only
 * snapshot. Memory is bounded by a fetch and the messages of one household.
 * @param client not in a transaction
 * @param onProgress gets the number of messages read
 */
export async function* pastHouseholds(
  client: Client,
  filter: TrafficFilter,
  onProgress: (messages: number) => void = () => undefined,
): AsyncGenerator<PastHousehold> {
  await client.query('begin isolation level repeatable read read only')
  try {
    await declare(client, filter)
    let rows: MessageRow[] = []
    let read = 0
    for (;;) {
      const fetched = (await client.query<MessageRow>(`fetch ${FETCH_ROWS} from past_messages`)).rows
      read += fetched.length
      rows.push(...fetched)
      // The last household may go on in the next fetch.
      const last = fetched.length < FETCH_ROWS ? undefined : rows.at(-1)?.household_id
      yield* await householdsOf(
        client,
        rows.filter((row) => row.household_id !== last),
      )
      rows = rows.filter((row) => row.household_id === last)
      onProgress(read)
      if (last === undefined) break
    }
  } finally {
    // Nothing was written: ending the snapshot is all there is to do.
    await client.query('rollback').catch(() => undefined)
  }
}

async function declare(client: Client, { from, to, codes, accountCodes }: TrafficFilter): Promise<void> {
  const literal = (texts: readonly string[]) =>
    `array[${texts.map((text) => client.escapeLiteral(text)).join(', ')}]::text[]`
  const routes = literal(codes.map((code) => `%["route.wallet","${code}",%`))
  // A business date is the entitlement date or the day after.
  await client.query(`declare past_messages no scroll cursor for
    select a.id, a.lane, a.household_id, a.mti, a.transaction_type, a.account_code, a.entitlement_date, a.received_at,
           a.amount, a.approved_amount, a.result, a.acceptor, a.terminal, a.original_id, c.kind as card_kind, a.trace,
           (select json_agg(json_build_object('product', l.product, 'quantity', l.quantity, 'unit_price', l.unit_price)
                            order by l.line)
            from basket_line l where l.lane = a.lane and l.authorization_id = a.id) as lines
    from authorization_journal a
    left join card c on c.lane = a.lane and c.id = a.card_id
    where a.business_date between '${formatDate(from)}' and '${formatDate(addDays(to, 1))}'
      and a.entitlement_date between '${formatDate(from)}' and '${formatDate(to)}'
      and a.household_id is not null
      and (a.original_id is not null or a.trace like any (${routes})
           or a.account_code = any (${literal(accountCodes)}))
    order by a.household_id, a.id`)
}

async function householdsOf(client: Client, rows: readonly MessageRow[]): Promise<PastHousehold[]> {
  const messages = new Map<string, PastMessage[]>()
  for (const row of rows) {
    const own = messages.get(row.household_id) ?? []
    own.push(messageOf(row))
    messages.set(row.household_id, own)
  }
  if (messages.size === 0) return []
  const found = await client.query<HouseholdRow>(
    `select h.id, h.governorate, h.classes,
            (select json_agg(json_build_object('from', t.from_date, 'members', t.members, 'status', t.status)
                             order by t.from_date)
             from household_term t where t.lane = h.lane and t.household_id = h.id) as terms,
            (select json_agg(json_build_object('account', b.account, 'period', b.period, 'posted', b.posted))
             from balance b where b.lane = h.lane and b.household_id = h.id and b.period > 0) as balances
     from household h where h.id = any($1) order by h.id`,
    [[...messages.keys()]],
  )
  return found.rows.map((row) => ({
    id: Number(row.id),
    governorate: row.governorate,
    classes: row.classes,
    terms: row.terms,
    balances: (row.balances ?? []).map((one) => ({ ...one, account: one.account as AccountNumber })),
    messages: messages.get(row.id) ?? [],
  }))
}

function messageOf(row: MessageRow): PastMessage {
  return {
    id: Number(row.id),
    mti: row.mti,
    transactionType: row.transaction_type,
    accountCode: row.account_code,
    entitlementDate: parseDate(row.entitlement_date),
    receivedAtMs: row.received_at.getTime(),
    amountPiasters: Number(row.amount),
    approvedPiasters: Number(row.approved_amount),
    result: row.result,
    acceptor: row.acceptor,
    terminal: row.terminal,
    originalId: row.original_id === null ? undefined : Number(row.original_id),
    cardKind: row.card_kind ?? 'family',
    trace: JSON.parse(row.trace),
    lines: row.lines?.map((line) => ({
      product: line.product,
      quantity: line.quantity,
      unitPricePiasters: line.unit_price,
    })),
  }
}
