import type { DecisionPolicy } from '../authorization/decision.ts'
import type { Outlet } from '../authorization/request.ts'
import type { ProgrammeBook } from '../benefit/programme.ts'

/** What a lane needs to decide, beside its own state. */
export interface LaneRules {
  readonly programmes: ProgrammeBook
  readonly policy: DecisionPolicy
  outletByAcceptor(acceptor: string): Outlet | undefined
}
