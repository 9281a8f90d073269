import type { Client } from 'pg'
import { approvalCode } from '../src/identifiers.ts'
import { codeText, type LoadRecord, requestStates } from '../src/simulator/load-record.ts'
import { RUN_DIGITS } from '../src/simulator/load-template.ts'
import type { LoadTraffic } from '../src/simulator/load-traffic.ts'

/** What the client knows against what the ledger holds. */
export interface Comparison {
  /** Answers received that the journal does not hold, or holds otherwise. */
  readonly lost: number
  /** Approvals in the journal that no request of the client explains. */
  readonly phantom: number
  /** Requests that were approved in the journal while their answer never arrived: a client must reverse or repeat. */
  readonly unansweredButPosted: number
  /** Rows compared. */
  readonly rows: number
  /** The first few differences, for people. */
  readonly examples: readonly string[]
}

/** Where the journal stood before the run: rows from here on are the run's. */
export interface JournalMark {
  readonly lane: number
  readonly nextId: number
}

/** Notes where each lane's journal stands. */
export async function markJournal(client: Client): Promise<JournalMark[]> {
  const { rows } = await client.query<{ lane: number; next_id: string }>('select lane, next_id from lane order by lane')
  return rows.map((row) => ({ lane: row.lane, nextId: Number(row.next_id) }))
}

const CHUNK_ROWS = 20_000
const EXAMPLES_MAX = 5

interface JournalRow {
  readonly id: string
  readonly rrn: string
  readonly stan: string
  readonly result: string
  readonly response_code: string
  readonly approval: string | null
  readonly amount: string
  readonly approved_amount: string
}

/** What of a {@link LoadRecord} is compared. */
export type ClientRecord = Pick<
  LoadRecord,
  'last' | 'state' | 'responseCode' | 'approvalCode' | 'amountPiasters' | 'template'
>

/** What part of a run is compared, and who else wants to know. */
export interface ComparisonPart {
  /** Requests before this one are left out; the journal's rows too, but for those of other runs. */
  readonly fromSequence?: number
  /** Gets the number of each request that the journal approves. */
  readonly onApproval?: (sequence: number) => void
}

/**
 * Compares each answer received with the journal: an approval is there exactly once with the same reference, trace
 * number, approval code and amount, a decline with the same code; and every approval there was asked for.
 */
export async function compareWithLedger(
  client: Client,
  marks: readonly JournalMark[],
  record: ClientRecord,
  traffic: LoadTraffic,
  { fromSequence = 1, onApproval = () => undefined }: ComparisonPart = {},
): Promise<Comparison> {
  const checker = new Checker(record, traffic, fromSequence, onApproval)
  const firstRrn = fromSequence === 1 ? '' : rrnOf(traffic.run, fromSequence)
  for (const { lane, nextId } of marks) {
    for (let after = nextId - 1; ; ) {
      const { rows } = await client.query<JournalRow>({
        name: 'bench_compare',
        text: `select id, rrn, stan, result, response_code, answer::jsonb ->> '38' as approval, amount, approved_amount
               from authorization_journal where lane = $1 and id > $2 and rrn >= $3 order by id limit ${CHUNK_ROWS}`,
        values: [lane, after, firstRrn],
      })
      for (const row of rows) checker.take(row)
      if (rows.length < CHUNK_ROWS) break
      after = Number(rows.at(-1)?.id)
    }
  }
  return checker.finish()
}

function rrnOf(run: number, sequence: number): string {
  return String(run).padStart(RUN_DIGITS, '0') + String(sequence).padStart(8, '0')
}

class Checker {
  readonly #record: ClientRecord
  readonly #fromSequence: number
  readonly #onApproval: (sequence: number) => void
  readonly #traffic: LoadTraffic
  readonly #seen: Uint8Array
  readonly #examples: string[] = []
  #lost = 0
  #phantom = 0
  #unansweredButPosted = 0
  #rows = 0

  constructor(
    record: ClientRecord,
    traffic: LoadTraffic,
    fromSequence: number,
    onApproval: (sequence: number) => void,
  ) {
    this.#fromSequence = fromSequence
    this.#onApproval = onApproval
    this.#record = record
    this.#traffic = traffic
    this.#seen = new Uint8Array(record.last + 1)
  }

  take(row: JournalRow): void {
    this.#rows += 1
    const { state } = this.#record
    const sequence = this.#sequenceOf(row)
    const isApproval = row.result === 'approved' || row.result === 'partially-approved'
    if (sequence === undefined || this.#seen[sequence] === 1 || state[sequence] === requestStates.unsent) {
      if (isApproval) this.#isPhantom(row, 'nobody asked for it, or it was posted twice')
      return
    }
    this.#seen[sequence] = 1
    if (isApproval) this.#onApproval(sequence)
    const known = state[sequence]
    if (known === requestStates.sent) {
      if (isApproval) this.#unansweredButPosted += 1
    } else if (known === requestStates.approved) {
      const difference = this.#differenceOf(row, sequence, isApproval)
      if (difference !== undefined) this.#isLost(sequence, difference)
    } else if (isApproval) {
      this.#isPhantom(row, `answered ${codeText(this.#record.responseCode[sequence] as number)}`)
    } else if (row.response_code !== codeText(this.#record.responseCode[sequence] as number)) {
      this.#isLost(sequence, `declined with ${row.response_code} in the journal`)
    }
  }

  finish(): Comparison {
    const { state, last } = this.#record
    for (let sequence = this.#fromSequence; sequence <= last; sequence++) {
      if (this.#seen[sequence] === 1) continue
      if (state[sequence] === requestStates.approved) this.#isLost(sequence, 'approved and not in the journal')
      // 91, 96 and 30 leave nothing behind; any other decline is recorded.
      if (state[sequence] === requestStates.declined) this.#isLost(sequence, 'declined and not in the journal')
    }
    return {
      lost: this.#lost,
      phantom: this.#phantom,
      unansweredButPosted: this.#unansweredButPosted,
      rows: this.#rows,
      examples: this.#examples,
    }
  }

  #sequenceOf(row: JournalRow): number | undefined {
    const { rrn, stan } = row
    if (rrn.length !== 12 || Number(rrn.slice(0, RUN_DIGITS)) !== this.#traffic.run) return undefined
    const sequence = Number(rrn.slice(RUN_DIGITS))
    if (!(sequence >= 1 && sequence <= this.#record.last)) return undefined
    return Number(stan) === sequence % 1_000_000 ? sequence : undefined
  }

  #differenceOf(row: JournalRow, sequence: number, isApproval: boolean): string | undefined {
    const record = this.#record
    const code = (record.approvalCode[sequence] as number).toString(36).toUpperCase().padStart(6, '0')
    if (!isApproval) return `approved, and ${row.result} in the journal`
    if (row.response_code !== codeText(record.responseCode[sequence] as number)) return `code ${row.response_code}`
    if (row.approval !== code) return `approval code ${code}, and ${row.approval} in the journal`
    if (approvalCode(Number(row.id)) !== code) return `approval code ${code} is not that of row ${row.id}`
    const answered = record.amountPiasters[sequence] as number
    if (Number(row.amount) !== answered) return `amount ${answered}, and ${row.amount} in the journal`
    const { mti } = this.#traffic.template(record.template[sequence] as number).source.content
    // A reversal approves what its original had come to, which may be less than it names.
    if (!mti.startsWith('04') && Number(row.approved_amount) !== answered) {
      return `granted ${answered}, and ${row.approved_amount} in the journal`
    }
    return undefined
  }

  #isLost(sequence: number, what: string): void {
    this.#lost += 1
    this.#example(`request ${sequence}: ${what}`)
  }

  #isPhantom(row: JournalRow, what: string): void {
    this.#phantom += 1
    this.#example(`journal row ${row.id} is approved: ${what}`)
  }

  #example(text: string): void {
    if (this.#examples.length < EXAMPLES_MAX) this.#examples.push(text)
  }
}
