import type { HostAnswer, HostRequest } from '../authorization/host.ts'
import type { HostFields } from '../authorization/host-messages.ts'

/** A request to the account host that is durable, and the message that it is sent as. */
export interface HostCall {
  readonly request: HostRequest
  readonly fields: HostFields
}

/** The Post's account host, as lanes ask it; `link/account-host.ts` is one. */
export interface AccountHost {
  /** Why it is in vain to ask now; undefined when it may be asked. */
  refusal(): 'link' | 'circuit' | undefined
  /**
   * Sends a request and awaits its answer.
   * @param settle called exactly once, never within this call
   */
  ask(call: HostCall, timeoutMs: number, settle: (answer: HostAnswer) => void): void
}

/** Limits of what a lane asks of the account host. */
export interface AccountHostLimits {
  /** Longest wait for an answer, milliseconds; less where a request has less time left. */
  readonly timeoutMs: number
  /** Requests of a lane that may be at the host at once. */
  readonly inFlightMax: number
}

/** What lanes need of the account host. */
export interface HostAccess {
  readonly host: AccountHost
  readonly limits: AccountHostLimits
}
