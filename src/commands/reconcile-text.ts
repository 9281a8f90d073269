import type { CorrectingPosting } from '../clearing/reconciliation/correction.ts'
import type { ExceptionView } from '../clearing/reconciliation/view.ts'
import { formatPiasters } from '../money.ts'
import type { ExceptionEvent, StoredMatch } from '../store/clearing/reconciliation-desk.ts'

/** A table for people: a line of heads, then the rows; columns are as wide as what is in them, the last is free. */
export function tableLines(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  rightAligned: readonly number[] = [],
): string[] {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => {
        const width = column === row.length - 1 && !rightAligned.includes(column) ? 0 : (widths[column] ?? 0)
        return rightAligned.includes(column) ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return [heads, ...rows].map(line)
}

/** A posting that is proposed or agreed to. */
export function postingLine({ kind, debit, credit, amountPiasters }: CorrectingPosting): string {
  return `${kind} ${formatPiasters(amountPiasters)} EGP, debit ${debit}, credit ${credit}`
}

/** An exception with all that is known of it. */
export function explainLines(
  view: ExceptionView,
  events: readonly ExceptionEvent[],
  matches: readonly StoredMatch[],
): string[] {
  const lines = [
    `exception ${view.exceptionId}: ${view.break} of ${view.businessDate} (${view.level} level)`,
    `  ${view.summary}`,
    `  state ${view.state}, owner ${view.owner ?? 'nobody'}, ${view.ageDays} day(s) old (${view.lateness}), at risk ${formatPiasters(view.valueAtRiskPiasters)} EGP`,
    `  means: ${view.meaning}`,
    `  to do: ${view.action}`,
  ]
  if (view.account !== null) {
    const { differencePiasters, suspendedPiasters, settledPiasters, account } = view
    lines.push(`  ${formatPiasters(differencePiasters)} EGP on account ${account}`)
    if (suspendedPiasters !== 0) lines.push(`  ${formatPiasters(suspendedPiasters)} EGP in the suspense of its break`)
    if (settledPiasters !== 0) lines.push(`  ${formatPiasters(settledPiasters)} EGP settled`)
  }
  for (const posting of view.proposedPostings) lines.push(`  proposed: ${postingLine(posting)}`)
  lines.push(...Object.entries(view.detail).map(([name, value]) => `  ${name}: ${String(value)}`))
  if (matches.length > 0) lines.push('matches of the same:')
  for (const {
    rule,
    confidence,
    businessDate,
    fileId,
    item,
    authorizationId,
    instructionId,
    amountPiasters,
  } of matches) {
    const parts = [
      authorizationId > 0 ? `authorization ${authorizationId}` : '',
      fileId > 0 ? `file ${fileId} item ${item}` : '',
      instructionId > 0 ? `instruction ${instructionId}` : '',
    ].filter((part) => part !== '')
    lines.push(
      `  ${businessDate} ${rule} (${confidence} %): ${parts.join(', ')}, ${formatPiasters(amountPiasters)} EGP`,
    )
  }
  lines.push('history:')
  for (const { atMs, actor, event, comment } of events) {
    lines.push(`  ${new Date(atMs).toISOString()} ${event} by ${actor}${comment === undefined ? '' : `: ${comment}`}`)
  }
  return lines
}
