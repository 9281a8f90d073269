import type { WalletProgramme } from '../benefit/programme.ts'
import type { ReplayedDecision, ReplayedDraw } from './replay.ts'
import { isApproval } from './result.ts'

/** What a version would have done to past traffic. */
export interface ReplayReport {
  readonly code: string
  readonly version: number
  /** Version that it is compared with; null = the programme is new. */
  readonly comparedWith: number | null
  readonly from: string
  readonly to: string
  readonly draws: number
  readonly households: number
  /** Draws that come out today as the journal has them, under the rules of their dates: how far to trust the rest. */
  readonly asRecorded: number
  readonly changed: {
    /** Approvals that would be declined, by the rule that would decide. */
    readonly declined: Readonly<Record<string, number>>
    /** Declines that would be approved, by the rule that decided. */
    readonly approved: Readonly<Record<string, number>>
    /** Draws on other programmes that would come out otherwise, such as on one that excludes it. */
    readonly elsewhere: number
    /** Approvals that would be of more or less. */
    readonly otherAmount: number
    readonly households: number
  }
  /** Taken from wallets, in the unit of the programme. */
  readonly drawn: { readonly before: number; readonly after: number }
  /** Granted of the messages' amounts: of counted units what citizens pay. */
  readonly piasters: { readonly before: number; readonly after: number }
}

/** Adds up what came of draws. */
export class ReplayTally {
  readonly #candidate: WalletProgramme
  readonly #comparedWith: number | undefined
  readonly #declined = new Map<string, number>()
  readonly #approved = new Map<string, number>()
  #draws = 0
  #households = 0
  #asRecorded = 0
  #otherAmount = 0
  #elsewhere = 0
  #changedHouseholds = 0
  readonly #drawn = { before: 0, after: 0 }
  readonly #piasters = { before: 0, after: 0 }

  constructor(candidate: WalletProgramme, comparedWith: number | undefined) {
    this.#candidate = candidate
    this.#comparedWith = comparedWith
  }

  /** The draws of one household. */
  add(draws: readonly ReplayedDraw[]): void {
    if (draws.length === 0) return
    this.#households++
    let changed = false
    for (const { code, message, before, after } of draws) {
      if (code !== undefined && code !== this.#candidate.code) {
        if (before.approved !== after.approved || before.drawn !== after.drawn) this.#elsewhere++
        continue
      }
      this.#draws++
      if (isApproval(message.result) === before.approved) this.#asRecorded++
      if (this.#compare(before, after)) changed = true
      this.#drawn.before += before.drawn
      this.#drawn.after += after.drawn
      this.#piasters.before += before.piasters
      this.#piasters.after += after.piasters
    }
    if (changed) this.#changedHouseholds++
  }

  #compare(before: ReplayedDecision, after: ReplayedDecision): boolean {
    const count = (reasons: Map<string, number>, reason: string) => reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
    if (before.approved && !after.approved) count(this.#declined, after.reason)
    else if (!before.approved && after.approved) count(this.#approved, before.reason)
    else if (before.drawn !== after.drawn || before.piasters !== after.piasters) this.#otherAmount++
    else return false
    return true
  }

  report(from: string, to: string): ReplayReport {
    const { code, version } = this.#candidate
    const byCount = (reasons: Map<string, number>) => Object.fromEntries([...reasons].sort((a, b) => b[1] - a[1]))
    return {
      code,
      version,
      comparedWith: this.#comparedWith ?? null,
      from,
      to,
      draws: this.#draws,
      households: this.#households,
      asRecorded: this.#asRecorded,
      changed: {
        declined: byCount(this.#declined),
        approved: byCount(this.#approved),
        elsewhere: this.#elsewhere,
        otherAmount: this.#otherAmount,
        households: this.#changedHouseholds,
      },
      drawn: this.#drawn,
      piasters: this.#piasters,
    }
  }
}
