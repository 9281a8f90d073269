import { type CivilDate, formatDate } from '../src/calendar.ts'
import { ID_STEP } from '../src/identifiers.ts'
import type { Client } from '../src/store/connection.ts'
import { progress } from './terminal.ts'

/** What a message over the scheme's rail brings of a chip, so that each of its items has all parts. */
const SCHEME_FACTS = JSON.stringify({
  entryMode: '05',
  cardSequence: '001',
  merchant: { name: 'CORNER SHOP', city: 'CAIRO', country: 'EG' },
  terminalCapability: '5',
  characteristics: 'E',
  chip: {
    '82': '1C00',
    '95': '0000008000',
    '9A': '261118',
    '9C': '00',
    '5F34': '01',
    '9F02': '000000001000',
    '9F10': '06010A03A0A000',
    '9F1A': '0818',
    '9F26': '0123456789ABCDEF',
    '9F33': 'E0F8C8',
    '9F36': '0007',
    '9F37': '89ABCDEF',
  },
})

/** Transactions of a business day to be made. */
export interface DayOfTransactions {
  readonly date: CivilDate
  readonly items: number
  /** How many in a hundred are the card scheme's; the others are bread. */
  readonly network: number
  /** Households of the world that they are spread over. */
  readonly cards: number
}

const CHUNK = 250_000
/** Ids of what is made here, far from those of the world. */
const FIRST_ID = 1_000_000_000_000

/** Rows of the journal as the writer would have left them, made set by set; no batch covers them, so only files are made of them. */
export async function loadTransactions(
  client: Client,
  { date, items, network, cards }: DayOfTransactions,
): Promise<void> {
  await client.query('select ensure_partitions($1, 1)', [formatDate(date)])
  const places = await client.query<{ id: string }>(`select id from outlet where category = 'bakery' order by id`)
  const outlets = places.rows.map(({ id }) => Number(id))
  for (let from = 0; from < items; from += CHUNK) {
    const to = Math.min(items, from + CHUNK)
    await loadChunk(client, { date, from, to, network, outlets, cards })
    progress(`loading transactions: ${to} of ${items}`)
  }
  progress('')
  await client.query('update lane set next_id = greatest(next_id, $1) where lane = 0', [
    FIRST_ID + (items + 1) * ID_STEP,
  ])
  await client.query('checkpoint')
}

interface Chunk {
  readonly date: CivilDate
  readonly from: number
  readonly to: number
  readonly network: number
  readonly outlets: readonly number[]
  readonly cards: number
}

async function loadChunk(client: Client, { date: day, from, to, network, outlets, cards }: Chunk): Promise<void> {
  const date = formatDate(day)
  const made = `
    with made as (
      select n, ${FIRST_ID} + n * ${ID_STEP} as id, n % 100 < $4 as is_network, n % 100 < $4 / 4 as is_cash, 1 + n % $5 as household,
             ($6::bigint[])[1 + n % cardinality($6::bigint[])] as bakery
      from generate_series($2::bigint, $3::bigint - 1) n)`
  const values = [date, from, to, network, cards, outlets]
  await client.query(
    `${made}
     insert into authorization_journal
     select 0, $1::date, m.id, 0, $1::date, $1::timestamp + interval '9 hours', case when m.is_network then 'visa' else 'ascii' end,
            '0200', md5('k' || m.id)::uuid, md5('c' || m.id)::uuid, case when m.is_network then '400001' else '81800001' end,
            'T' || lpad((m.n % 10000)::text, 7, '0'), 'SHOP' || lpad((m.n % 5000)::text, 6, '0'),
            case when m.is_network then null else m.bakery end, lpad((m.n % 1000000)::text, 6, '0'), '1118070000',
            lpad((m.n % 1000000000000)::text, 12, '0'), case when m.is_network then lpad(m.n::text, 15, '4') else '' end, c.pan_masked,
            c.id, m.household, case when m.is_cash then '01' else '00' end, case when m.is_network then '20' else '92' end, '5411',
            500 + m.n % 9000, 500 + m.n % 9000, 'approved', '00', null, null, '{"38":"A1B2C3","39":"00"}', '[]', null,
            case when m.is_network then '${SCHEME_FACTS}' end
     from made m join card c on c.household_id = m.household and c.lane = 0 and c.kind = 'family'`,
    values,
  )
  await client.query(
    `${made}
     insert into transfer
     select 0, $1::date, m.id, 0, 0, case when m.is_cash then 11 when m.is_network then 10 else 2 end,
            case when m.is_network then 600100000000000 else 110100000000000 end + m.household,
            case when m.is_cash then 700300000400001 when m.is_network then 700400000400001 else 210100000000000 + m.bakery end,
            case when m.is_network then 500 + m.n % 9000 else 5 end, case when m.is_network then 0 else ${day} end
     from made m`,
    values,
  )
}
