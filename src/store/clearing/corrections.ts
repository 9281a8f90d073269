import { formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { Client } from '../connection.ts'
import { type ClearingFile, type FileState, type FileType, moveFile, readFile, registerFile } from './files.ts'

const correctable: readonly FileType[] = ['CTF', 'SUB', 'OUT']
/** What the receiver has taken is mended by what goes out later. */
const from: readonly FileState[] = ['written', 'signed', 'released', 'delivered', 'rejected']

/** Who corrects a file, and why. */
export interface CorrectionOrder {
  /** Such as `user:NAME`. */
  readonly actor: string
  readonly reason: string
}

/**
 * Begins the correction of a file, in the caller's transaction: another one with the next number, to which its items go
 * over as they are; the file itself is superseded. Outlets are taken as they are known now. One that was begun before
 * is found.
 * @returns the correction, which is to be written
 * @throws MizanError BAD_INPUT for a file that is not made of items; CONFLICT when it was acknowledged or corrected
 */
export async function beginCorrection(client: Client, fileId: number, order: CorrectionOrder): Promise<ClearingFile> {
  await client.query('select from clearing_file where id = $1 for update', [fileId])
  const file = await readFile(client, fileId)
  const begun = await correctionOf(client, fileId)
  if (begun?.state === 'selected' || begun?.state === 'written') return begun
  requireCorrectable(file, begun)
  const { direction, type, institution, businessDate, cycle } = file
  const sequence = await nextSequence(client, file)
  const { actor, reason } = order
  const key = { direction, type, institution, businessDate, cycle, sequence }
  const made = await registerFile(client, { ...key, state: 'selected', correctsId: fileId }, actor)
  const detail = { reason, correction: made.name }
  await moveFile(client, fileId, { from, to: 'superseded', action: 'superseded', actor, detail })
  await client.query('select move_clearing_items($1, $2)', [fileId, made.id])
  await client.query('update outgoing_dispute_item set file_id = $2 where file_id = $1', [fileId, made.id])
  if (type !== 'CTF') await keepOutlets(client, made)
  return made
}

/** The correction of a file; undefined when there is none. */
export async function correctionOf(client: Client, fileId: number): Promise<ClearingFile | undefined> {
  const { rows } = await client.query<{ id: string }>('select id from clearing_file where corrects_id = $1', [fileId])
  return rows[0] === undefined ? undefined : await readFile(client, Number(rows[0].id))
}

function requireCorrectable(
  { name, direction, type, state }: ClearingFile,
  correction: ClearingFile | undefined,
): void {
  if (direction !== 'out' || !correctable.includes(type)) {
    throw new MizanError('BAD_INPUT', `${name} is not corrected here: only ${correctable.join(', ')} files of ours are`)
  }
  if (correction !== undefined) {
    throw new MizanError('CONFLICT', `${name} was corrected before, by ${correction.name}: correct that one`)
  }
  if (from.includes(state)) return
  const way =
    state === 'acknowledged'
      ? 'the receiver has taken it; what is wrong is taken back by reversals, which go out with their own date'
      : 'mizan clearing build writes it'
  throw new MizanError('CONFLICT', `${name} is ${state}: ${way}`)
}

async function nextSequence(client: Client, file: ClearingFile): Promise<number> {
  const { rows } = await client.query<{ last: number }>(
    `select max(sequence) as last from clearing_file
     where direction = $1 and type = $2 and institution = $3 and business_date = $4 and cycle = $5`,
    [file.direction, file.type, file.institution, formatDate(file.businessDate), file.cycle],
  )
  return (rows[0]?.last ?? 0) + 1
}

/**
 * Names and accounts as they are now. An outlet that has gone to another bank stays as it was: this file is not that
 * bank's.
 */
async function keepOutlets(client: Client, { id, businessDate }: ClearingFile): Promise<void> {
  await client.query(
    `insert into clearing_file_outlet (file_id, outlet_id, name, account)
     select $1, c.outlet_id, o.name, case when d.settlement_bank = c.bank then d.settlement_account else c.account end
     from clearing_outlet c join outlet o on o.id = c.outlet_id left join outlet_detail d on d.outlet_id = o.id
     where c.business_date = $2 and c.is_paid`,
    [id, formatDate(businessDate)],
  )
}
