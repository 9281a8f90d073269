import type { AccountNumber } from '../../ledger/accounts.ts'
import { transferKindOf, transferKinds } from '../../ledger/posting-rules.ts'
import type { Queryable } from '../access-pool.ts'
import type { Posting } from './postings.ts'

/** What a statement posts, by kind and accounts. */
export interface SummedPosting extends Posting {
  /** Of how many entries it is the sum. */
  readonly entries: number
}

/** Sums the postings of entries by kind and accounts; given back in an order that is always the same. */
export class PostingSums {
  readonly #sums = new Map<string, SummedPosting>()

  add({
    kind,
    debit,
    credit,
    piasters,
  }: Pick<Posting, 'kind' | 'debit' | 'credit'> & { readonly piasters: bigint }): void {
    const key = `${transferKinds[kind]}:${debit}:${credit}`
    const before = this.#sums.get(key)
    this.#sums.set(key, {
      kind,
      debit,
      credit,
      amountPiasters: (before?.amountPiasters ?? 0) + Number(piasters),
      entries: (before?.entries ?? 0) + 1,
    })
  }

  list(): SummedPosting[] {
    return [...this.#sums].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, posting]) => posting)
  }
}

/** Keeps what a statement posts, in the transaction that takes its file. */
export async function addBankPostings(
  client: Queryable,
  statement: number,
  postings: readonly SummedPosting[],
): Promise<void> {
  await client.query(
    `insert into bank_posting (statement_id, number, kind, debit, credit, amount_piasters, entries)
     select $1, r.* from json_to_recordset($2) r(n integer, k smallint, d bigint, c bigint, a bigint, e integer)`,
    [
      statement,
      JSON.stringify(
        postings.map(({ kind, debit, credit, amountPiasters, entries }, index) => ({
          n: index + 1,
          k: transferKinds[kind],
          d: debit,
          c: credit,
          a: amountPiasters,
          e: entries,
        })),
      ),
    ],
  )
}

/** Statements whose postings are not known to be in the journal, the oldest first. */
export async function storedStatements(client: Queryable): Promise<number[]> {
  const { rows } = await client.query<{ id: string }>(
    "select id from bank_statement where state = 'stored' order by id",
  )
  return rows.map(({ id }) => Number(id))
}

/** What a statement posts. */
export async function readBankPostings(client: Queryable, statement: number): Promise<Posting[]> {
  const { rows } = await client.query<{ kind: number; debit: string; credit: string; amount: string }>(
    'select kind, debit, credit, amount_piasters as amount from bank_posting where statement_id = $1 order by number',
    [statement],
  )
  return rows.map((row) => ({
    kind: transferKindOf(row.kind),
    debit: Number(row.debit) as AccountNumber,
    credit: Number(row.credit) as AccountNumber,
    amountPiasters: Number(row.amount),
  }))
}

/**
 * A statement's postings are in the journal.
 * @returns the closing balance, and what the ledger has, from the bank's side
 */
export async function markBooked(
  client: Queryable,
  statement: number,
): Promise<{ readonly bank: number; readonly closingPiasters: bigint; readonly ledgerPiasters: bigint }> {
  const { rows } = await client.query<{ bank: number; closing: string; ledger: string }>(
    `update bank_statement s set state = 'booked', booked_at = clock_timestamp(),
       ledger_piasters = (select coalesce(-sum(b.posted), 0) from balance b
                          where b.household_id = 0 and b.account = 8007 * 100000000000 + s.bank)
     where s.id = $1 returning s.bank, s.closing_piasters as closing, s.ledger_piasters as ledger`,
    [statement],
  )
  const row = rows[0]
  return { bank: row?.bank ?? 0, closingPiasters: BigInt(row?.closing ?? 0), ledgerPiasters: BigInt(row?.ledger ?? 0) }
}
