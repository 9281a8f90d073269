import { Command } from 'commander'
import { traceInWords } from '../authorization/trace.ts'
import { loadConfig } from '../config/config.ts'
import { formatPiasters, formatQuantity } from '../money.ts'
import { openDatabase } from '../store/database-location.ts'
import { type Explanation, explainAuthorizations, explainKey } from '../store/explain.ts'
import { type CommandIo, processIo } from './command-io.ts'

const typeNames: Readonly<Record<string, string>> = {
  '00': 'purchase',
  '01': 'cash withdrawal',
  '09': 'purchase with cashback',
  11: 'quasi-cash',
  20: 'refund',
  21: 'deposit',
  28: 'load',
  30: 'balance inquiry',
  31: 'balance inquiry',
  39: 'eligibility inquiry',
  40: 'transfer',
  50: 'bill payment',
}

/** `mizan explain`: everything that the journal knows of an authorization, in words. */
export function explainCommand(io: CommandIo = processIo): Command {
  return new Command('explain')
    .description(
      'explain an authorization: request, decision, postings, answer, repeats, reversals; of the newest day that has the key',
    )
    .argument('<key>', 'RRN, authorization number, or STAN@TERMINAL')
    .argument('[terminal]', 'terminal (DE41), when the key is a STAN')
    .option('--config <file>', 'configuration file (JSON); see docs/configuration.md')
    .option('--json', 'print a JSON array', false)
    .action(async (key: string, terminal: string | undefined, options: { config?: string; json: boolean }) => {
      const wanted = explainKey(key, terminal)
      const config = loadConfig({ env: io.env, ...(options.config === undefined ? {} : { file: options.config }) })
      const database = await openDatabase(config, { create: false })
      try {
        const explanations = await explainAuthorizations(database.url, wanted)
        const text = options.json ? JSON.stringify(explanations) : explanations.map(inWords).join('\n\n')
        io.out(`${text}\n`)
      } finally {
        await database.close()
      }
    })
}

/** An explanation for people. */
export function inWords(explanation: Explanation): string {
  const sections: [string, string[]][] = [
    ['request', requestLines(explanation)],
    ['decision', decisionLines(explanation)],
    ['goods', goodsLines(explanation)],
    ['posted', postingLines(explanation)],
    ['hold', holdLines(explanation)],
    ['answer', [answerLine(explanation)]],
    ['repeats', explanation.repeats.map(({ id, kind, at }) => `${kind} ${id} at ${at}`)],
    ['related', relatedLines(explanation)],
    ['sent on', forwardLines(explanation)],
  ]
  const { id, lane, businessDate, batch } = explanation
  const head = `authorization ${id}  business date ${businessDate}, lane ${lane}, batch ${batch.seq}, hash ${batch.hash}`
  const body = sections.flatMap(([title, lines]) =>
    lines.map((line, index) => `  ${(index === 0 ? title : '').padEnd(10)}${line}`),
  )
  return [head, ...body].join('\n')
}

/** Quantities of goods are kept in thousandths. */
const THOUSAND = 1_000

function egp(piasters: number): string {
  return formatQuantity(piasters, 'EGP')
}

function requestLines({ request, outlet, receivedAt }: Explanation): string[] {
  const type = String(request.transactionType)
  const household = request.householdId === null ? 'no known household' : `household ${request.householdId}`
  const place = outlet === null ? 'not registered' : `${outlet.category} in ${outlet.governorate}, ${outlet.name}`
  return [
    `${request.mti} ${typeNames[type] ?? 'type'} (${type}) of ${egp(Number(request.amount))} from account ${request.account}`,
    `card ${request.pan}, ${household}; received ${receivedAt} on link ${request.link}`,
    `outlet ${request.acceptor} terminal ${request.terminal} (${place}), acquirer ${request.acquirer}`,
    `STAN ${request.stan}, DE7 ${request.transmission}, RRN ${request.rrn}`,
  ]
}

function decisionLines({ result, approvedAmount, trace }: Explanation): string[] {
  const granted = approvedAmount > 0 ? `, ${egp(approvedAmount)}` : ''
  return [`${result}${granted}`, ...trace.map((entry, index) => `${index + 1}. ${traceInWords(entry, formatPiasters)}`)]
}

function goodsLines({ lines }: Explanation): string[] {
  return lines.map(({ product, quantity, unitPrice, granted, grantedPiasters, reason }) => {
    const paid = `${granted / THOUSAND} from the subsidy for ${egp(grantedPiasters)}`
    return `${product}: ${quantity / THOUSAND} at ${egp(unitPrice)}, ${paid} (${reason})`
  })
}

function postingLines({ transfers }: Explanation): string[] {
  if (transfers.length === 0) return ['nothing']
  return transfers.map(({ kind, amount, unit, debit, debitName, credit, creditName, period }) => {
    const when = period === 0 ? '' : `, period ${period}`
    return `${kind} ${formatQuantity(amount, unit)}: ${debitName} ${debit} → ${creditName} ${credit}${when}`
  })
}

function holdLines({ hold }: Explanation): string[] {
  if (hold === null) return []
  const { amount, cashback, expiresAt, events } = hold
  const ending = events.find((event) => event.ending !== null)?.ending ?? `open, expires ${expiresAt}`
  const cash = cashback === 0 ? '' : ` (${egp(cashback)} of it cash)`
  return [
    `${egp(amount)}${cash}, ${ending}`,
    ...events.map(({ by, captured, released }) => `${egp(captured)} captured and ${egp(released)} released by ${by}`),
  ]
}

function answerLine({ answer }: Explanation): string {
  return Object.entries(answer)
    .map(([element, value]) => `DE${element} ${value}`)
    .join(', ')
}

function relatedLines({ related }: Explanation): string[] {
  return related.map(({ id, relation, mti, transactionType, result, approvedAmount, receivedAt }) => {
    const name = mti.startsWith('04') ? 'reversal' : (typeNames[transactionType] ?? `type ${transactionType}`)
    const role = relation === 'original' ? 'refers to' : 'followed by'
    return `${role} ${mti} ${name} ${id}: ${result}, ${egp(approvedAmount)}, ${receivedAt}`
  })
}

function forwardLines({ forwards }: Explanation): string[] {
  return forwards.map(({ id, destination, kind, mti, state, responseCode }) => {
    const code = responseCode === null ? '' : `, answered ${responseCode}`
    return `${kind} ${mti} to ${destination} as message ${id}: ${state}${code}`
  })
}
