import { formatDate } from '../../calendar.ts'
import { selectionObstacle } from '../../store/clearing/file-totals.ts'
import { findSelection, type SelectionSummary, selectItems } from '../../store/clearing/selection.ts'
import type { PartOptions } from '../../store/clearing/selection-parts.ts'
import { connect } from '../../store/connection.ts'
import type { DayStep, DayStepContext, DayStepOutcome } from '../day/step.ts'
import type { FileStepOptions } from './file-steps.ts'

/** What the step is given; how many authorizations are taken at once is for tests to say. */
export type SelectStepOptions = Pick<FileStepOptions, 'processingBin' | 'railLinks'> &
  Pick<PartOptions, 'authorizationsInPart' | 'partsWhileIdle'>

/**
 * The step that takes the items of a closed business date into files, in parts of some thousand authorizations. What it
 * finds done it leaves.
 */
export function selectStep(options: SelectStepOptions): DayStep {
  return {
    name: 'select',
    description: 'the items of the day are taken into files',
    run: (context) => select(context, options),
  }
}

async function select(
  { url, businessDate, signal, progress }: DayStepContext,
  { processingBin, railLinks, ...parts }: SelectStepOptions,
): Promise<DayStepOutcome> {
  const client = await connect({ url, name: 'mizan clearing select', role: 'mizan_app' })
  try {
    progress('taking the items of the day into files')
    const plan = { businessDate, processingBin, railLinks, actor: 'select' }
    const isTaken = (await findSelection(client, businessDate)) !== undefined
    const obstacle = isTaken ? undefined : await selectionObstacle(client, businessDate)
    if (obstacle !== undefined) return { state: 'blocked', words: obstacle }
    const summary = await selectItems(client, plan, { ...parts, signal, progress })
    return {
      state: 'done',
      words: selectionInWords(summary),
      detail: { ...detailOf(summary), date: formatDate(businessDate) },
    }
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** What was selected, for people. */
function selectionInWords({ network, subsidy, statements, ...rest }: SelectionSummary): string {
  const back = network.chargebacks > 0 ? ` (${network.chargebacks} charged back)` : ''
  const items = `${network.items} for the card scheme${back}, ${subsidy.items} in ${subsidy.files} subsidy file(s), ${statements} statement(s)`
  if (rest.withoutBank === 0) return items
  const more = rest.withoutBank > rest.withoutBankExamples.length ? ' and others' : ''
  return `${items}; no settlement bank is known of ${rest.withoutBank} outlet(s): ${rest.withoutBankExamples.join(', ')}${more}`
}

function detailOf({ network, subsidy, statements, withoutBank }: SelectionSummary) {
  return { network: { ...network }, subsidy: { ...subsidy }, statements, withoutBank }
}
