import type { DecisionPolicy } from '../authorization/decision.ts'
import type { Outlet } from '../authorization/request.ts'
import type { ProgrammeBook } from '../benefit/programme-book.ts'
import type { CivilDate } from '../calendar.ts'

/** What a lane needs to decide, beside its own state. */
export interface LaneRules {
  readonly policy: DecisionPolicy
  /** The programmes of an entitlement date; a version that was published meanwhile counts from the next batch on. */
  programmesOn(date: CivilDate): ProgrammeBook
  outletByAcceptor(acceptor: string): Outlet | undefined
}
