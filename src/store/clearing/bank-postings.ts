import type { AccountNumber } from '../../ledger/accounts.ts'
import { transferKindOf, transferKinds } from '../../ledger/posting-rules.ts'
import type { Queryable } from '../access-pool.ts'
import type { Posting } from './postings.ts'

/** What a statement or a file of answers posts, by kind and accounts. */
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

/** Keeps what is to be posted, in the transaction that takes the file. @param statement 0 of answers */
export async function addBankPostings(
  client: Queryable,
  { bankFile, statement }: { readonly bankFile: number; readonly statement: number },
  postings: readonly SummedPosting[],
): Promise<void> {
  await client.query(
    `insert into bank_posting (bank_file, statement_id, number, kind, debit, credit, amount_piasters, entries)
     select $1, $2, r.* from json_to_recordset($3) r(n integer, k smallint, d bigint, c bigint, a bigint, e integer)`,
    [
      bankFile,
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

/** What is posted under one reference. */
export interface PostingSet {
  readonly bankFile: number
  /** 0 of answers. */
  readonly statement: number
  readonly reference: string
  readonly postings: readonly Posting[]
}

/** Files whose postings are not all in the journal, the oldest first. */
export async function openBankFiles(client: Queryable): Promise<number[]> {
  const { rows } = await client.query<{ id: string }>(
    "select id from bank_file where state = 'read' and posted_at is null order by id",
  )
  return rows.map(({ id }) => Number(id))
}

/** What a file posts: its answers, and each of its statements that is not booked. */
export async function readPostingSets(client: Queryable, bankFile: number): Promise<PostingSet[]> {
  const statements = await client.query<{ id: string }>(
    "select id from bank_statement where bank_file = $1 and state = 'stored' order by id",
    [bankFile],
  )
  const { rows } = await client.query<{
    statement_id: string
    kind: number
    debit: string
    credit: string
    amount: string
  }>(
    `select statement_id, kind, debit, credit, amount_piasters as amount from bank_posting where bank_file = $1
     order by statement_id, number`,
    [bankFile],
  )
  const ids = [0, ...statements.rows.map(({ id }) => Number(id))]
  return ids
    .map((statement) => ({
      bankFile,
      statement,
      reference: statement === 0 ? `bank-file:${bankFile}` : `bank:${statement}`,
      postings: rows
        .filter((row) => Number(row.statement_id) === statement)
        .map((row) => ({
          kind: transferKindOf(row.kind),
          debit: Number(row.debit) as AccountNumber,
          credit: Number(row.credit) as AccountNumber,
          amountPiasters: Number(row.amount),
        })),
    }))
    .filter(({ statement, postings }) => statement > 0 || postings.length > 0)
}

/** A statement's postings are in the journal. @returns the closing balance, and what the ledger has, from the bank's side */
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

/** All that a file posts is in the journal. */
export async function markFilePosted(client: Queryable, bankFile: number): Promise<void> {
  await client.query('update bank_file set posted_at = clock_timestamp() where id = $1 and posted_at is null', [
    bankFile,
  ])
}
