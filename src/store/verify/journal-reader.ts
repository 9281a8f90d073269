import { addDays, type CivilDate, civilDate, formatDate, parseDate } from '../../calendar.ts'
import { ID_STEP } from '../../identifiers.ts'
import type { AuthorizationRow, CommandRow, HoldEventRow, HoldRow, JournalContent, TransferRow } from '../batch.ts'
import type { Client } from '../connection.ts'

/** A batch read back whole: what its hash covers, and the hash it was stored with. */
export interface StoredBatch {
  readonly content: JournalContent
  readonly storedHash: Buffer
  /** Rows that disagree with their batch in what the hash covers only once: dates and times. */
  readonly disagreements: number
}

interface Head {
  readonly seq: number
  readonly epoch: number
  readonly firstId: number
  readonly nextId: number
  readonly atMs: number
  readonly hash: Buffer
}

/** Ids of one portion: some megabytes of rows, whatever the size of the journal. */
const PORTION_IDS = 8_192
const HEADS_PER_READ = 4_096

/** Reads a lane's batches back in order, in portions. Run it inside a snapshot. */
export async function* readBatches(client: Client, lane: number): AsyncGenerator<StoredBatch> {
  let afterSeq = 0
  for (;;) {
    const heads = await readHeads(client, lane, afterSeq)
    if (heads.length === 0) return
    for (let start = 0; start < heads.length; ) {
      let end = start
      let ids = 0
      while (end < heads.length && (end === start || ids < PORTION_IDS)) ids += idsOf(heads[end++])
      yield* readPortion(client, lane, heads.slice(start, end))
      start = end
    }
    afterSeq = heads.at(-1)?.seq ?? afterSeq
  }
}

function idsOf(head: Head | undefined): number {
  return head === undefined ? 0 : Math.max(1, (head.nextId - head.firstId) / ID_STEP)
}

async function readHeads(client: Client, lane: number, afterSeq: number): Promise<Head[]> {
  const { rows } = await client.query<[string, string, string, string, string, Buffer]>({
    text: `select seq, epoch, first_id, next_id, ${milliseconds('committed_at')}, hash
           from batch where lane = $1 and seq > $2 order by seq limit ${HEADS_PER_READ}`,
    values: [lane, afterSeq],
    rowMode: 'array',
  })
  return rows.map(([seq, epoch, firstId, nextId, atMs, hash]) => ({
    seq: Number(seq),
    epoch: Number(epoch),
    firstId: Number(firstId),
    nextId: Number(nextId),
    atMs: Number(atMs),
    hash,
  }))
}

function milliseconds(column: string): string {
  return `(extract(epoch from ${column}) * 1000)::bigint`
}

interface Rows {
  readonly authorizations: { seq: number; businessDate: string; entitlementDate: string; row: AuthorizationRow }[]
  readonly commands: { seq: number; businessDate: string; atMs: number; row: CommandRow }[]
  readonly transfers: { seq: number; businessDate: string; row: TransferRow }[]
  readonly holds: { seq: number; row: HoldRow }[]
  readonly holdEvents: { seq: number; row: HoldEventRow }[]
}

async function* readPortion(client: Client, lane: number, heads: readonly Head[]): AsyncGenerator<StoredBatch> {
  const range: Range = {
    lane,
    firstId: Math.min(...heads.map((head) => head.firstId)),
    nextId: Math.max(...heads.map((head) => head.nextId)),
    dates: datesOf(heads),
  }
  const rows: Rows = {
    authorizations: await readAuthorizations(client, range),
    commands: await readCommands(client, range),
    transfers: await readTransfers(client, range),
    holds: await readHolds(client, range),
    holdEvents: await readHoldEvents(client, range),
  }
  const bySeq = {
    authorizations: Map.groupBy(rows.authorizations, (entry) => entry.seq),
    commands: Map.groupBy(rows.commands, (entry) => entry.seq),
    transfers: Map.groupBy(rows.transfers, (entry) => entry.seq),
    holds: Map.groupBy(rows.holds, (entry) => entry.seq),
    holdEvents: Map.groupBy(rows.holdEvents, (entry) => entry.seq),
  }
  for (const head of heads) {
    yield assemble(lane, head, {
      authorizations: bySeq.authorizations.get(head.seq) ?? [],
      commands: bySeq.commands.get(head.seq) ?? [],
      transfers: bySeq.transfers.get(head.seq) ?? [],
      holds: bySeq.holds.get(head.seq) ?? [],
      holdEvents: bySeq.holdEvents.get(head.seq) ?? [],
    })
  }
}

/**
 * A batch's dates stand in its rows, not in its head. All must be the same; a batch without authorizations was made for
 * the civil date of its commit.
 */
function assemble(lane: number, head: Head, rows: Rows): StoredBatch {
  const { authorizations, commands, transfers, holds, holdEvents } = rows
  const business = authorizations[0]?.businessDate ?? commands[0]?.businessDate ?? '1970-01-01'
  const entitlement = authorizations[0]?.entitlementDate
  const disagreements =
    authorizations.filter((entry) => entry.businessDate !== business || entry.entitlementDate !== entitlement).length +
    commands.filter((entry) => entry.businessDate !== business || entry.atMs !== head.atMs).length +
    transfers.filter((entry) => entry.businessDate !== business).length
  const content: JournalContent = {
    lane,
    seq: head.seq,
    epoch: head.epoch,
    firstId: head.firstId,
    nextId: head.nextId,
    atMs: head.atMs,
    businessDate: parseDate(business),
    entitlementDate: entitlement === undefined ? civilDate(head.atMs) : parseDate(entitlement),
    authorizations: authorizations.map((entry) => entry.row),
    commands: commands.map((entry) => entry.row),
    transfers: transfers.map((entry) => entry.row),
    holds: holds.map((entry) => entry.row),
    holdEvents: holdEvents.map((entry) => entry.row),
  }
  return { content, storedHash: head.hash, disagreements }
}

interface Range {
  readonly lane: number
  readonly firstId: number
  readonly nextId: number
  /** Business dates that the batches can have, so that the journal's indexes serve the range of ids. */
  readonly dates: readonly string[]
}

/**
 * A business date is the civil date of the commit or, after the cutover, the next; where that one was closed before its
 * time, the one after it.
 */
function datesOf(heads: readonly Head[]): string[] {
  const instants = heads.map((head) => head.atMs)
  const last = addDays(civilDate(Math.max(...instants)), 2)
  const dates: string[] = []
  for (let date: CivilDate = civilDate(Math.min(...instants)); date <= last; date = addDays(date, 1)) {
    dates.push(formatDate(date))
  }
  return dates
}

type Cells = readonly (string | null)[]

async function readRows(client: Client, text: string, values: readonly unknown[]): Promise<Cells[]> {
  const { rows } = await client.query<(string | number | null)[]>({ text, values: [...values], rowMode: 'array' })
  return rows as unknown as Cells[]
}

const optionalNumber = (cell: string | null | undefined) =>
  cell === null || cell === undefined ? undefined : Number(cell)
const bytesOfHex = (cell: string | null | undefined) => Buffer.from(cell ?? '', 'hex').toString('latin1')
const hexOf = (column: string) => `encode(uuid_send(${column}), 'hex')`

async function readAuthorizations(client: Client, range: Range): Promise<Rows['authorizations']> {
  const rows = await readRows(
    client,
    `select batch_seq, business_date, entitlement_date, id, ${milliseconds('received_at')}, link, mti,
            ${hexOf('dedupe_key')}, ${hexOf('content_hash')}, acquirer, terminal, acceptor, outlet_id, stan, transmission,
            rrn, network_reference, pan_masked, card_id, household_id, transaction_type, account_code, mcc, amount,
            approved_amount, result, response_code, original_id, ${hexOf('original_key')}, answer, trace, basket,
            scheme_facts
     from authorization_journal
     where lane = $1 and business_date = any ($2::date[]) and id >= $3 and id < $4 order by id`,
    [range.lane, range.dates, range.firstId, range.nextId],
  )
  return rows.map((cells) => {
    const text = (index: number) => cells[index] ?? ''
    return {
      seq: Number(cells[0]),
      businessDate: text(1),
      entitlementDate: text(2),
      row: {
        id: Number(cells[3]),
        receivedAtMs: Number(cells[4]),
        link: text(5),
        mti: text(6),
        key: bytesOfHex(cells[7]),
        contentHash: bytesOfHex(cells[8]),
        acquirer: text(9),
        terminal: text(10),
        acceptor: text(11),
        outletId: optionalNumber(cells[12]),
        stan: text(13),
        transmission: text(14),
        rrn: text(15),
        networkReference: text(16),
        panMasked: text(17),
        cardId: optionalNumber(cells[18]),
        householdId: optionalNumber(cells[19]),
        transactionType: text(20),
        accountCode: text(21),
        mcc: text(22),
        amount: Number(cells[23]),
        approvedAmount: Number(cells[24]),
        result: text(25),
        responseCode: text(26),
        originalId: optionalNumber(cells[27]),
        originalKey: cells[28] === null ? undefined : bytesOfHex(cells[28]),
        answer: text(29),
        trace: text(30),
        basket: cells[31] ?? undefined,
        schemeFacts: cells[32] ?? undefined,
      },
    }
  })
}

async function readCommands(client: Client, range: Range): Promise<Rows['commands']> {
  const rows = await readRows(
    client,
    `select batch_seq, business_date, ${milliseconds('at')}, id, kind, household_id, authorization_id, detail
     from command_journal where lane = $1 and id >= $2 and id < $3 order by id`,
    [range.lane, range.firstId, range.nextId],
  )
  return rows.map((cells) => ({
    seq: Number(cells[0]),
    businessDate: cells[1] ?? '',
    atMs: Number(cells[2]),
    row: {
      id: Number(cells[3]),
      kind: cells[4] ?? '',
      householdId: optionalNumber(cells[5]),
      authorizationId: optionalNumber(cells[6]),
      detail: cells[7] ?? '',
    },
  }))
}

async function readTransfers(client: Client, range: Range): Promise<Rows['transfers']> {
  const rows = await readRows(
    client,
    `select batch_seq, business_date, group_id, leg, kind, debit, credit, amount, period from transfer
     where lane = $1 and business_date = any ($2::date[]) and group_id >= $3 and group_id < $4 order by group_id, leg`,
    [range.lane, range.dates, range.firstId, range.nextId],
  )
  return rows.map((cells) => ({
    seq: Number(cells[0]),
    businessDate: cells[1] ?? '',
    row: {
      groupId: Number(cells[2]),
      leg: Number(cells[3]),
      kind: Number(cells[4]),
      debit: Number(cells[5]),
      credit: Number(cells[6]),
      amount: Number(cells[7]),
      period: Number(cells[8]),
    },
  }))
}

async function readHolds(client: Client, range: Range): Promise<Rows['holds']> {
  const rows = await readRows(
    client,
    `select batch_seq, id, household_id, kind, debit, credit, amount, cashback, ${milliseconds('expires_at')} from hold
     where lane = $1 and id >= $2 and id < $3 order by id`,
    [range.lane, range.firstId, range.nextId],
  )
  return rows.map((cells) => ({
    seq: Number(cells[0]),
    row: {
      id: Number(cells[1]),
      householdId: Number(cells[2]),
      kind: Number(cells[3]),
      debit: Number(cells[4]),
      credit: Number(cells[5]),
      amount: Number(cells[6]),
      cashback: Number(cells[7]),
      expiresAtMs: Number(cells[8]),
    },
  }))
}

/** Events have the hold's id, not one of their batch; the writer hands them over in order of what caused them. */
async function readHoldEvents(client: Client, range: Range): Promise<Rows['holdEvents']> {
  const rows = await readRows(
    client,
    `select batch_seq, id, by_id, captured, cashback, released, ending from hold_event
     where lane = $1 and by_id >= $2 and by_id < $3 order by by_id, id`,
    [range.lane, range.firstId, range.nextId],
  )
  return rows.map((cells) => ({
    seq: Number(cells[0]),
    row: {
      id: Number(cells[1]),
      byId: Number(cells[2]),
      captured: Number(cells[3]),
      cashback: Number(cells[4]),
      released: Number(cells[5]),
      ending: cells[6] ?? undefined,
    },
  }))
}
