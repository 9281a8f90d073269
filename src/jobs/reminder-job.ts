import { entitlementOf, firstDateOf, isEntitled, lastOpenDate, periodOf } from '../benefit/entitlement.ts'
import type { WalletProgramme } from '../benefit/programme.ts'
import type { ProgrammeBook } from '../benefit/programme-book.ts'
import { type CivilDate, type Clock, civilDate, daysBetween, formatDate } from '../calendar.ts'
import { kindOf, subsidyAccount } from '../ledger/accounts.ts'
import { type Client, connect } from '../store/connection.ts'
import { type Lapsing, readLanes, remindSome, type WalletHolder } from '../store/notification-reminders.ts'
import type { NamedJob } from './scheduler.ts'

/** What the reminders need. */
export interface ReminderOptions {
  readonly url: string
  readonly clock: Clock
  readonly programmesOn: (date: CivilDate) => Pick<ProgrammeBook, 'wallets'>
  /** Days before the last one on which households are reminded. */
  readonly daysBefore: number
}

/** Households looked at in one transaction. */
const HOUSEHOLDS_AT_ONCE = 1_000

/**
 * The job that tells households what they have left of a programme whose value lapses soon (M20), where the programme
 * says so: once a period, whatever is cut off. Day by day nobody is told; what is left of a day is said at each draw.
 */
export function reminderJob({ url, clock, programmesOn, daysBefore }: ReminderOptions): NamedJob {
  return {
    name: 'entitlement-reminder',
    cron: '0 10 * * *',
    description: `tell households what lapses within ${daysBefore} days`,
    async run(signal) {
      const today = civilDate(clock.now())
      const client = await connect({ url, name: 'mizan entitlement reminder', role: 'mizan_app' })
      try {
        const words: string[] = []
        for (const programme of programmesOn(today).wallets) {
          const until = lapsesOn(programme, today)
          if (until === undefined || daysBetween(today, until) > daysBefore) continue
          const told = await remindAll(client, programme, { today, until, nowMs: clock.now() }, signal)
          words.push(`${programme.code}: ${told} households told`)
        }
        return words.length === 0 ? 'nothing lapses soon' : words.join('; ')
      } finally {
        await client.end()
      }
    },
  }
}

/** The last day of what is in a wallet now; undefined when nobody is to be told. */
function lapsesOn(programme: WalletProgramme, today: CivilDate): CivilDate | undefined {
  if (!programme.notify.expiring || programme.period === 'day') return undefined
  const until = lastOpenDate(programme, periodOf(programme, today))
  return until < today ? undefined : until
}

async function remindAll(
  client: Client,
  programme: WalletProgramme,
  { today, until, nowMs }: { readonly today: CivilDate; readonly until: CivilDate; readonly nowMs: number },
  signal: AbortSignal,
): Promise<number> {
  const { unit, number, name } = programme
  const period = periodOf(programme, today)
  const lapsing: Lapsing = {
    programmeNumber: number,
    walletKind: kindOf(subsidyAccount('wallet', unit, number, 0)),
    period,
    termDate: firstDateOf(period),
  }
  const days = daysBetween(today, until)
  const tell = (holder: WalletHolder) => {
    const left = leftOf(programme, holder)
    if (left === 0) return undefined
    const message = { programme: name, left: { amount: left, unit }, until: formatDate(until) }
    return days === 0 ? message : { ...message, days }
  }
  let total = 0
  for (const lane of await readLanes(client)) {
    for (let more = true; more; ) {
      signal.throwIfAborted()
      const some = await remindSome(client, lane, lapsing, 'entitlement-expiring', HOUSEHOLDS_AT_ONCE, nowMs, tell)
      total += some?.told ?? 0
      more = some?.looked === HOUSEHOLDS_AT_ONCE
    }
  }
  return total
}

/** What a household can still draw: what is in its wallet, or its whole share where it has not drawn yet. */
function leftOf(programme: WalletProgramme, { members, classes, available }: WalletHolder): number {
  if (members === 0) return 0
  if (available !== undefined) return available
  return isEntitled(programme, classes) ? entitlementOf(programme, members) : 0
}
