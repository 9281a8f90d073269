import { formatQuantity } from '../../money.ts'
import { drawTrialBalance, type StrayBalance, type UnitTotals } from '../../store/clearing/trial-balance.ts'
import { connect } from '../../store/connection.ts'
import { type DayStep, type DayStepOutcome, firstOf } from './step.ts'

/** Differences that the words of a blocked step name. */
const NAMED = 3

/**
 * Draws up the trial balance of the day: the debits of each unit equal its credits, and every account holds what was
 * posted to it. It is kept with the day. Where it does not come out nothing more is done of the day.
 */
export function trialBalanceStep(): DayStep {
  return {
    name: 'trial-balance',
    description: 'debits equal credits, and each account holds what was posted to it',
    async run({ url, businessDate, progress }): Promise<DayStepOutcome> {
      progress('drawing up the trial balance')
      const client = await connect({ url, name: 'mizan trial balance', role: 'mizan_app' })
      try {
        const { units, accounts, astray } = await drawTrialBalance(client, businessDate)
        const unequal = units.filter(({ debits, credits }) => debits !== credits)
        if (unequal.length > 0) return blocked(unequal.map(unitInWords))
        if (astray.length > 0) return blocked(astray.map(strayInWords))
        const totals = Object.fromEntries(units.map(({ unit, debits }) => [unit, String(debits)]))
        return {
          state: 'done',
          words: units.length === 0 ? 'nothing was posted' : `debits = credits: ${units.map(unitInWords).join(', ')}`,
          detail: { accounts, turnover: totals },
        }
      } finally {
        await client.end()
      }
    },
  }
}

function blocked(differences: readonly string[]): DayStepOutcome {
  const named = firstOf(differences, NAMED)
  return {
    state: 'blocked',
    words: `${named}: find out with mizan verify; nothing is sent of the day before this is mended`,
  }
}

function unitInWords({ unit, debits, credits }: UnitTotals): string {
  if (debits === credits) return formatQuantity(debits, unit)
  return `${unit}: debits of ${formatQuantity(debits, unit)}, credits of ${formatQuantity(credits, unit)}`
}

function strayInWords({ kind, accountName, owner, posted, expected }: StrayBalance): string {
  const whose = owner === 0 ? '' : ` of ${owner}`
  return `account ${kind} ${accountName}${whose} holds ${posted} and ${expected} was posted to it`
}
