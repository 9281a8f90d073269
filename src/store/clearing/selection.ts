import { type CivilDate, formatDate } from '../../calendar.ts'
import type { Client } from '../connection.ts'
import { inTransaction } from '../transaction.ts'
import { selectChargebacks } from './chargebacks.ts'
import { registerFile } from './files.ts'
import { countPart, prepareCounts } from './selection-count.ts'
import { beginDraft, type Draft, type DraftFile, type DraftPlan, notePart, readDraft } from './selection-draft.ts'
import { takeNetwork } from './selection-network.ts'
import {
  BEGIN_PART,
  isLast,
  joined,
  PARTS_WHILE_IDLE,
  type Part,
  type PartOptions,
  partBehind,
  partsBehind,
  sizeOf,
} from './selection-parts.ts'
import { keepOutlets, NO_BANK, placeSubsidies, subsidyInstitutions, takeSubsidies } from './selection-subsidy.ts'
import { lanesCommit, WorkPace } from './work-pace.ts'

/** What a selection needs to know. */
export interface SelectionPlan {
  readonly businessDate: CivilDate
  /** Identifier of this centre in files for the card scheme. */
  readonly processingBin: string
  /** Links that bring the card scheme's messages. */
  readonly railLinks: readonly string[]
  /** Who does it, for the files' history. */
  readonly actor: string
}

/** What was selected for a date. */
export interface SelectionSummary {
  /** Of the card scheme's file. */
  readonly network: {
    readonly items: number
    readonly grossPiasters: string
    /** Of the items, those that take a disputed presentment back. */
    readonly chargebacks: number
  }
  readonly subsidy: { readonly items: number; readonly files: number }
  readonly statements: number
  /** Outlets with something to be paid that no bank is known of. */
  readonly withoutBank: number
  /** The first of them, by acceptor. */
  readonly withoutBankExamples: readonly string[]
}

const LOCK_NAME = 'clearing_selection'

/**
 * Takes the items of a closed date into files: those of the card scheme's file, and of the subsidy files and statements
 * of the settlement banks. Part by part, each in a transaction of its own; they stand aside until the last one is
 * taken, and become items of files all at once. Cut off at any place, the next call goes on behind the last part, and
 * ends with the same items. Once: the call after that finds what was done.
 * @param client a connection that nobody else uses meanwhile
 * @returns what was selected
 * @throws Error of the database; what aborted the signal
 */
export async function selectItems(
  client: Client,
  plan: SelectionPlan,
  options: PartOptions = {},
): Promise<SelectionSummary> {
  const known = await findSelection(client, plan.businessDate)
  if (known !== undefined) return known
  // Whoever comes second waits, and then finds it done.
  await client.query('select pg_advisory_lock(hashtext($1))', [LOCK_NAME])
  try {
    return (await findSelection(client, plan.businessDate)) ?? (await select(client, plan, options))
  } finally {
    // A connection that is gone has let go of it by itself.
    await client.query('select pg_advisory_unlock(hashtext($1))', [LOCK_NAME]).catch(() => undefined)
  }
}

/** What was selected for a date; undefined when nothing was yet. */
export async function findSelection(client: Client, date: CivilDate): Promise<SelectionSummary | undefined> {
  const { rows } = await client.query<{ summary: SelectionSummary }>(
    'select summary from clearing_selection where business_date = $1',
    [formatDate(date)],
  )
  return rows[0]?.summary
}

async function select(client: Client, plan: SelectionPlan, options: PartOptions): Promise<SelectionSummary> {
  const { businessDate: date } = plan
  await client.query('insert into clearing_rail select unnest($1::text[]) on conflict do nothing', [plan.railLinks])
  const { rows } = await client.query<{ lanes: number[]; rails: string[] }>(
    `select array(select lane from lane order by lane) as lanes, array(select link from clearing_rail order by link) as rails`,
  )
  const { lanes = [], rails = [] } = rows[0] ?? {}
  const pace = new WorkPace(lanesCommit(client), options)
  const work = { client, date, lanes, pace, options }
  await prepareCounts(client)
  const parts = await countParts(work)
  const draft = await openDraft(client, date, { processingBin: plan.processingBin, rails })
  await placeSubsidies(client, date, draft.files)
  const taken = await takeParts(work, parts, draft)
  await client.query('select analyze_clearing_items($1)', [formatDate(date)])
  return await inTransaction(client, () => finish(client, plan, taken))
}

/** What the parts are worked on with. */
interface PartWork {
  readonly client: Client
  readonly date: CivilDate
  readonly lanes: readonly number[]
  readonly pace: WorkPace
  readonly options: PartOptions
}

/** Counts what there is of subsidies, which nothing but this session sees. @returns the parts of the date */
async function countParts({ client, date, lanes, pace, options }: PartWork): Promise<Part[]> {
  const parts: Part[] = []
  for (let part: Part | undefined; part === undefined || !isLast(part); ) {
    const before: Part | undefined = part
    part = await inTransaction(
      client,
      async () => {
        const next = await partBehind(client, date, before, sizeOf(options))
        await countPart(client, date, next, lanes)
        return next
      },
      BEGIN_PART,
    )
    parts.push(part)
    options.progress?.(`counting the authorizations of ${formatDate(date)}`, part.done)
    await pace.rest()
  }
  return parts
}

/** The draft that was begun before, or another one. */
async function openDraft(client: Client, date: CivilDate, plan: DraftPlan): Promise<Draft> {
  const begun = await readDraft(client, date, plan)
  if (begun !== undefined) return begun
  return await inTransaction(client, async () => {
    await keepOutlets(client, date)
    const files: Omit<DraftFile, 'id'>[] = [{ type: 'CTF', institution: plan.processingBin }]
    for (const institution of await subsidyInstitutions(client, date)) files.push({ type: 'SUB', institution })
    for (const institution of await paidBanks(client, date)) files.push({ type: 'OUT', institution })
    await beginDraft(client, date, plan, files)
    return (await readDraft(client, date, plan)) as Draft
  })
}

/** Banks of outlets that have something in the date: a statement for each. */
async function paidBanks(client: Client, date: CivilDate): Promise<string[]> {
  const { rows } = await client.query<{ bank: string }>(
    `select distinct coalesce(bank, '${NO_BANK}') as bank from clearing_outlet where business_date = $1 and is_paid order by 1`,
    [formatDate(date)],
  )
  return rows.map(({ bank }) => bank)
}

async function takeParts(work: PartWork, parts: readonly Part[], begun: Draft): Promise<Draft> {
  const { date, pace, options } = work
  const total = parts.at(-1)?.done ?? 0
  const left = partsBehind(parts, begun.takenTo)
  let draft = begun
  while (left.length > 0) {
    const part = joined(left.splice(0, pace.areBusy ? 1 : (options.partsWhileIdle ?? PARTS_WHILE_IDLE)))
    draft = await inTransaction(work.client, () => takePart(work, part, draft), BEGIN_PART)
    options.progress?.(`taking the items of ${formatDate(date)} into files`, part.done, total)
    await pace.rest()
  }
  return draft
}

/** @returns the draft with the items of the part */
async function takePart({ client, date, lanes }: PartWork, part: Part, draft: Draft): Promise<Draft> {
  const fileId = draft.files.find(({ type }) => type === 'CTF')?.id as number
  const network = await takeNetwork(client, { date, part, lanes, fileId, itemsBefore: draft.networkItems })
  const subsidies = await takeSubsidies(client, date, part, lanes)
  const taken = {
    takenTo: part.to,
    networkItems: draft.networkItems + network.items,
    networkPiasters: draft.networkPiasters + network.piasters,
    subsidyItems: draft.subsidyItems + subsidies,
  }
  await notePart(client, date, taken)
  return { ...draft, ...taken }
}

/** Has what was taken become the items of the date, with its files and the chargebacks, in the caller's transaction. */
async function finish(client: Client, { businessDate, actor }: SelectionPlan, draft: Draft): Promise<SelectionSummary> {
  const date = formatDate(businessDate)
  await client.query('select finish_clearing_items($1)', [date])
  let network = { items: draft.networkItems, grossPiasters: String(draft.networkPiasters), chargebacks: 0 }
  for (const { id, type, institution } of draft.files) {
    const key = { direction: 'out', type, institution, businessDate, cycle: 1, sequence: 1 } as const
    const file = await registerFile(client, { ...key, id, state: 'selected' }, actor)
    if (type !== 'CTF') continue
    const back = await selectChargebacks(client, { businessDate, fileId: id, fileName: file.name, actor })
    network = {
      items: draft.networkItems + back.items,
      grossPiasters: String(draft.networkPiasters + back.grossPiasters),
      chargebacks: back.items,
    }
    await keepChargedOutlets(client, date, id)
  }
  const without = await client.query<{ acceptor: string }>(
    'select acceptor from clearing_outlet where business_date = $1 and bank is null and is_paid order by acceptor',
    [date],
  )
  const count = (wanted: DraftFile['type']) => draft.files.filter(({ type }) => type === wanted).length
  const summary: SelectionSummary = {
    network,
    subsidy: { items: draft.subsidyItems, files: count('SUB') },
    statements: count('OUT'),
    withoutBank: without.rows.length,
    withoutBankExamples: without.rows.slice(0, 5).map(({ acceptor }) => acceptor),
  }
  await client.query('insert into clearing_selection (business_date, summary) values ($1, $2)', [
    date,
    JSON.stringify(summary),
  ])
  return summary
}

/** Outlets that chargebacks name. */
async function keepChargedOutlets(client: Client, date: string, fileId: number): Promise<void> {
  await client.query(
    `insert into clearing_outlet
     select $1, o.id, o.acceptor_id, o.name, o.category, o.governorate, o.mcc, d.fuel, d.settlement_bank, d.settlement_account, false
     from (select distinct acceptor from outgoing_dispute_item where file_id = $2) c
     join outlet o on o.acceptor_id = c.acceptor left join outlet_detail d on d.outlet_id = o.id
     on conflict do nothing`,
    [date, fileId],
  )
}
