import { type SchemeFacts, schemeFactsOf } from '../../authorization/scheme-facts.ts'
import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import type { Client } from '../connection.ts'
import type { ClearingFile } from './files.ts'
import { streamRows } from './row-stream.ts'

/** An item of the card scheme's file with all that its records say. */
export interface NetworkItem {
  /** From 1 in its file. */
  readonly number: number
  readonly transactionCode: '05' | '06' | '07' | '25' | '26' | '27'
  readonly amountPiasters: number
  readonly cashbackPiasters: number
  readonly authorizationId: number
  /** What it completes or takes back. */
  readonly originalId: number | undefined
  /** The card number as it rests; undefined for a card that is not in the register. */
  readonly card:
    | { readonly encrypted: { readonly keyVersion: number; readonly bytes: Buffer }; readonly index: Buffer }
    | undefined
  /** DE32. */
  readonly acquirer: string
  readonly mcc: string
  readonly acceptor: string
  readonly terminal: string
  readonly rrn: string
  /** DE62.2, or ''. */
  readonly networkReference: string
  readonly receivedAtMs: number
  readonly responseCode: string
  /** DE4 of the message. */
  readonly requestedPiasters: number
  /** What was held for it before, for a completion. */
  readonly heldPiasters: number | undefined
  /** Of an outlet of the master data, as it was when the items were taken. */
  readonly outlet: { readonly name: string; readonly governorate: string } | undefined
  /** What the messages said of it: the item's own, and of what it completes or takes back. */
  readonly facts: SchemeFacts
  /** Of what takes back an item of an earlier file: where that one stands, and when it was made. */
  readonly earlier:
    | {
        readonly date: CivilDate
        readonly number: number
        readonly acquirer: string
        readonly receivedAtMs: number
      }
    | undefined
}

interface NetworkRow {
  readonly number: number
  readonly transaction_code: NetworkItem['transactionCode']
  readonly amount_piasters: string
  readonly cashback_piasters: string
  readonly authorization_id: string
  readonly original_id: string | null
  readonly pan_encrypted: Buffer | null
  readonly pan_index: Buffer | null
  readonly key_version: number | null
  readonly acquirer: string
  readonly mcc: string
  readonly acceptor: string
  readonly terminal: string
  readonly rrn: string
  readonly network_reference: string
  readonly received_ms: string
  readonly response_code: string
  readonly requested: string
  readonly held: string | null
  readonly outlet_name: string | null
  readonly outlet_governorate: string | null
  readonly earlier_date: string | null
  readonly earlier_number: number | null
  readonly earlier_acquirer: string | null
  readonly earlier_ms: string | null
  readonly scheme_facts: string | null
  readonly original_facts: string | null
  readonly earlier_facts: string | null
  readonly earlier_original_facts: string | null
}

/**
 * The items of the card scheme's file in their order. A reversal finds the item that it takes back: that of its
 * original, or the last capture of it where the original is a hold.
 */
export async function* readNetworkItems(
  client: Client,
  file: Pick<ClearingFile, 'id' | 'businessDate'>,
): AsyncGenerator<NetworkItem[]> {
  const rows = streamRows<NetworkRow>(
    client,
    `select i.number, i.transaction_code, i.amount_piasters, i.cashback_piasters, i.authorization_id, i.original_id,
            c.pan_encrypted, c.pan_index, c.key_version, a.acquirer, a.mcc, a.acceptor, a.terminal, a.rrn,
            a.network_reference, (extract(epoch from a.received_at) * 1000)::bigint as received_ms, a.response_code,
            a.amount as requested, h.amount as held, o.name as outlet_name, o.governorate as outlet_governorate,
            e.business_date as earlier_date, e.number as earlier_number,
            e.acquirer as earlier_acquirer, e.received_ms as earlier_ms, a.scheme_facts, p.scheme_facts as original_facts,
            e.scheme_facts as earlier_facts, e.original_facts as earlier_original_facts
     from clearing_item i
     join authorization_journal a on a.id = i.authorization_id and a.lane = i.lane and a.business_date = $2
     left join card c on c.lane = i.lane and c.id = a.card_id
     left join clearing_outlet o on o.business_date = $2 and o.outlet_id = i.outlet_id
     left join hold h on h.id = i.original_id and h.lane = i.lane
     left join lateral (
       select p.scheme_facts from authorization_journal p
       where i.original_id is not null and i.transaction_code <> '06' and p.id = i.original_id and p.lane + 0 = i.lane and p.business_date <= $2 limit 1) p
       on true
     left join lateral (
       select x.business_date, x.number, b.acquirer, b.scheme_facts, (
                select g.scheme_facts from authorization_journal g
                where x.transaction_code <> '06' and g.id = b.original_id and g.lane + 0 = b.lane
                  and g.business_date <= b.business_date limit 1) as original_facts,
              (extract(epoch from b.received_at) * 1000)::bigint as received_ms
       from (
         select i.original_id as id
         union all
         select g.id from authorization_journal g
         where g.original_id = i.original_id and g.business_date < $2 and g.mti like '02%') k
       join clearing_item x on x.authorization_id = k.id and x.programme = 0 and x.business_date < $2
       join authorization_journal b
         on b.id = x.authorization_id and b.lane = x.lane and b.business_date = x.business_date
       where i.transaction_code in ('25', '26', '27')
       order by x.business_date desc, x.number desc limit 1) e on true
     where i.business_date = $2 and i.file_id = $1
     order by i.number`,
    [file.id, formatDate(file.businessDate)],
  )
  for await (const some of rows) yield some.map(networkItemOf)
}

function networkItemOf(row: NetworkRow): NetworkItem {
  return {
    number: row.number,
    transactionCode: row.transaction_code,
    amountPiasters: Number(row.amount_piasters),
    cashbackPiasters: Number(row.cashback_piasters),
    authorizationId: Number(row.authorization_id),
    originalId: row.original_id === null ? undefined : Number(row.original_id),
    card:
      row.pan_encrypted === null || row.pan_index === null || row.key_version === null
        ? undefined
        : { encrypted: { keyVersion: row.key_version, bytes: row.pan_encrypted }, index: row.pan_index },
    acquirer: row.acquirer,
    mcc: row.mcc,
    acceptor: row.acceptor,
    terminal: row.terminal,
    rrn: row.rrn,
    networkReference: row.network_reference,
    receivedAtMs: Number(row.received_ms),
    responseCode: row.response_code,
    requestedPiasters: Number(row.requested),
    heldPiasters: row.held === null ? undefined : Number(row.held),
    facts: factsOf(row),
    outlet: row.outlet_name === null ? undefined : { name: row.outlet_name, governorate: row.outlet_governorate ?? '' },
    earlier:
      row.earlier_date === null
        ? undefined
        : {
            date: parseDate(row.earlier_date),
            number: row.earlier_number ?? 0,
            acquirer: row.earlier_acquirer ?? '',
            receivedAtMs: Number(row.earlier_ms),
          },
  }
}

/**
 * A completion says what it says, and for the rest its hold counts, whose chip was read; a reversal goes out as what it
 * takes back; a refund has nothing of the purchase.
 */
function factsOf(row: NetworkRow): SchemeFacts {
  const [own, original] = [schemeFactsOf(row.scheme_facts), schemeFactsOf(row.original_facts)]
  if (row.transaction_code.startsWith('0')) return { ...original, ...own }
  return { ...own, ...original, ...schemeFactsOf(row.earlier_original_facts), ...schemeFactsOf(row.earlier_facts) }
}
