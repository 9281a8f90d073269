import { keptConnection } from './kept-connection.ts'

/** A request to the account host that the journal has and nothing has ended. */
export interface OpenHostRequest {
  readonly lane: number
  readonly id: number
  readonly householdId: number
  readonly cardId: number | undefined
  readonly kind: 'debit' | 'inquiry'
  readonly piasters: number
  readonly stan: string
  readonly transmission: string
  readonly rrn: string
  readonly transactionType: string
  readonly place: {
    readonly acquirer: string
    readonly terminal: string
    readonly acceptor: string
    readonly mcc: string
  }
}

/** Finds requests that are open and were asked before an instant, oldest first. */
export type OpenHostRequestQuery = (askedBeforeMs: number, limit: number) => Promise<readonly OpenHostRequest[]>

interface Row {
  readonly lane: number
  readonly id: string
  readonly household_id: string
  readonly card_id: string | null
  readonly kind: OpenHostRequest['kind']
  readonly piasters: string
  readonly stan: string
  readonly transmission: string
  readonly rrn: string
  readonly transaction_type: string
  readonly acquirer: string
  readonly terminal: string
  readonly acceptor: string
  readonly mcc: string
}

const QUERY_TIMEOUT_MS = 60_000

/** Finds open requests over a connection of its own. */
export function openHostRequestQuery(url: string): { query: OpenHostRequestQuery; close(): Promise<void> } {
  const connection = keptConnection({
    url,
    name: 'mizan host requests',
    role: 'mizan_app',
    queryTimeoutMs: QUERY_TIMEOUT_MS,
  })
  return {
    query: (askedBeforeMs, limit) =>
      connection.use(async (client) => {
        const { rows } = await client.query<Row>(
          `select lane, id, household_id, card_id, kind, piasters, stan, transmission, rrn, transaction_type, acquirer,
                  terminal, acceptor, mcc
           from host_requests_open where asked_at <= $1 order by id limit $2`,
          [new Date(askedBeforeMs), limit],
        )
        return rows.map(requestOf)
      }),
    close: () => connection.close(),
  }
}

function requestOf(row: Row): OpenHostRequest {
  const { lane, kind, stan, transmission, rrn, acquirer, terminal, acceptor, mcc } = row
  return {
    lane,
    id: Number(row.id),
    householdId: Number(row.household_id),
    cardId: row.card_id === null ? undefined : Number(row.card_id),
    kind,
    piasters: Number(row.piasters),
    stan,
    transmission,
    rrn,
    transactionType: row.transaction_type,
    place: { acquirer, terminal, acceptor, mcc },
  }
}
