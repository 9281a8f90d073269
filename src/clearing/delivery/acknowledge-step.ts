import { formatDate } from '../../calendar.ts'
import { type DeliveryView, listDeliveries } from '../../store/clearing/deliver.ts'
import { type Acknowledgement, noteAcknowledgement } from '../../store/clearing/deliver-answers.ts'
import { moveFile } from '../../store/clearing/files.ts'
import type { Client } from '../../store/connection.ts'
import * as events from '../../telemetry/delivery-events.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { DayStep, DayStepOutcome } from '../day/step.ts'
import { onConnection, type StepWork } from './day-files.ts'

const ACTOR = 'acknowledge'
const FILES_MAX = 10_000
const NAMED_MAX = 5

/** The step that waits until receivers have answered for each file of which an answer is expected. */
export function acknowledgeStep(
  /** Looks for answers that have arrived, before it is judged what is missing. */
  fetch: (work: StepWork, url: string) => Promise<void> = async () => undefined,
): DayStep {
  return {
    name: 'acknowledge',
    description: 'wait for the answers of the receivers of files',
    run: async (context) => {
      await fetch(context, context.url)
      return onConnection(context.url, 'mizan clearing acknowledge', (client) => judgeAnswers(client, context))
    },
  }
}

/** What was answered for the files of a date, and what is missing. */
export async function judgeAnswers(client: Client, work: StepWork): Promise<DayStepOutcome> {
  const businessDate = formatDate(work.businessDate)
  const deliveries = await listDeliveries(client, { businessDate, limit: FILES_MAX })
  // What a correction has taken the place of waits for nothing.
  const standing = deliveries.filter(({ fileState }) => fileState !== 'superseded')
  const rejected = standing.filter((one) => one.answer === 'rejected' || one.fileState === 'rejected')
  if (rejected.length > 0) {
    const words = rejected
      .slice(0, NAMED_MAX)
      .map(({ name, answerReason }) => `${name} (${answerReason ?? 'no reason'})`)
    const way =
      'mizan clearing correct writes another one where it was wrong; mizan clearing resend sends the same bytes again'
    return { state: 'blocked', words: `rejected by the receiver: ${words.join(', ')}; ${way}` }
  }
  const again = standing.filter(({ state, fileState }) => state === 'waiting' && fileState === 'released')
  if (again.length > 0) return { state: 'waiting', words: `to be delivered once more: ${namesOf(again).join(', ')}` }
  const missing = standing.filter(isMissing)
  const overdue = missing.filter(({ acknowledgeByMs = 0 }) => acknowledgeByMs < work.nowMs())
  if (overdue.length > 0) {
    events.acknowledgementsOverdue(work.log, { files: namesOf(overdue), businessDate })
    return { state: 'waiting', words: `no answer in time for ${namesOf(overdue).join(', ')}: ask the receiver` }
  }
  if (missing.length > 0) return { state: 'waiting', words: `no answer yet for ${namesOf(missing).join(', ')}` }
  const answered = standing.filter(({ acknowledgeByMs }) => acknowledgeByMs !== undefined).length
  const words = answered === 0 ? 'no answer is expected' : `${answered} files acknowledged`
  return { state: 'done', words, detail: { acknowledged: answered } }
}

function isMissing({ acknowledgeByMs, answer, fileState }: DeliveryView): boolean {
  return acknowledgeByMs !== undefined && answer === undefined && fileState === 'delivered'
}

function namesOf(deliveries: readonly DeliveryView[]): string[] {
  return deliveries.slice(0, NAMED_MAX).map(({ name }) => name)
}

/**
 * Notes what the receiver of a file answered; whoever reads the answer calls this. The same answer again changes
 * nothing.
 * @throws MizanError CONFLICT when the receiver said the opposite before, or the file was never delivered
 */
export async function acknowledgeFile(
  client: Client,
  said: Acknowledgement & { readonly name: string },
  log: Logger,
): Promise<void> {
  const { fileId, state, reason, source, name } = said
  await client.query('begin')
  try {
    const isNew = await noteAcknowledgement(client, said)
    const to = state === 'accepted' ? 'acknowledged' : 'rejected'
    const detail = { source, ...(reason === undefined ? {} : { reason }) }
    // An answer may be here before it was noted that the file is there.
    await moveFile(client, fileId, { from: ['released', 'delivered'], to, action: to, actor: ACTOR, detail })
    await client.query('commit')
    if (isNew && state === 'rejected') events.fileRejected(log, { file: name, source, reason: reason ?? '' })
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}
