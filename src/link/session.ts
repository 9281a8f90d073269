import { type Eventually, isPending } from '../security/security-module.ts'

/** Whether a link may carry financial traffic. */
export type SessionState = 'signed-off' | 'signed-on'

/** DE70 codes (interfaces.md, Messages). Sign-on, sign-off and echo are answered here; all others go to the hook. */
export const networkCodes = { signOn: '001', signOff: '002', keyExchange: '101', cutover: '201', echo: '301' } as const

/** The parts of a decoded 0800 that decide its answer. */
export interface NetworkManagementRequest {
  /** Four digits. */
  readonly mti: string
  /** Three digits, or undefined when the field is absent. */
  readonly de70: string | undefined
}

/** What to answer to an 0800, and the state of the link from then on. */
export interface NetworkManagementAnswer {
  /** DE39. */
  readonly responseCode: string
  readonly state: SessionState
  /** True when `state` differs from the state before. */
  readonly changed: boolean
  /** Further fields of the answer, by data element. */
  readonly fields?: Readonly<Record<string, string>>
}

/** What a hook answers to an 0800: DE39, and what else the 0810 carries. */
export type NetworkHookAnswer = Pick<NetworkManagementAnswer, 'responseCode' | 'fields'>

/**
 * Decides DE70 codes beyond sign-on, sign-off and echo, such as 101 key exchange and 201 cutover; at once, or later
 * when the work needs I/O.
 * @returns undefined when the code is unknown to it too
 */
export type NetworkManagementHook = (
  request: NetworkManagementRequest,
  state: SessionState,
) => Eventually<NetworkHookAnswer | undefined>

const APPROVED = '00'
const INVALID_TRANSACTION = '12'
const FORMAT_ERROR = '30'
const UNAVAILABLE = '91'

/** State of a link that has just connected. */
export function initialState(requireSignOn: boolean): SessionState {
  return requireSignOn ? 'signed-off' : 'signed-on'
}

/** True for a request or advice of class 8 of any ISO version (0800, 0801, 0820, 1804 …); an 0810 is an answer. */
export function isNetworkManagement(mti: string): boolean {
  return mti[1] === '8' && (mti[2] === '0' || mti[2] === '2')
}

/**
 * Whether a message may be processed in this state. Before sign-on, and again after sign-off, only network management
 * is (interfaces.md, Messages).
 * @returns DE39 of the refusal, or undefined when the message may go on
 */
export function refusalBeforeSignOn(state: SessionState, mti: string): string | undefined {
  return state === 'signed-on' || isNetworkManagement(mti) ? undefined : UNAVAILABLE
}

/**
 * The answer to a network management request: 00 for sign-on (001), sign-off (002) and echo (301), in whatever state
 * the link is, since a peer that lost track must be able to sign on again; what the hook says for other codes; 12 for
 * a code nobody knows; 30 when DE70 is absent. The caller sets the link's state and sends the answer. A hook that
 * answers later never changes the state, which may meanwhile be another.
 */
export function networkManagementAnswer(state: SessionState, request: NetworkManagementRequest): NetworkManagementAnswer
export function networkManagementAnswer(
  state: SessionState,
  request: NetworkManagementRequest,
  hook: NetworkManagementHook,
): Eventually<NetworkManagementAnswer>
export function networkManagementAnswer(
  state: SessionState,
  request: NetworkManagementRequest,
  hook?: NetworkManagementHook,
): Eventually<NetworkManagementAnswer> {
  switch (request.de70) {
    case undefined:
      return { responseCode: FORMAT_ERROR, state, changed: false }
    case networkCodes.signOn:
      return { responseCode: APPROVED, state: 'signed-on', changed: state !== 'signed-on' }
    case networkCodes.signOff:
      return { responseCode: APPROVED, state: 'signed-off', changed: state !== 'signed-off' }
    case networkCodes.echo:
      return { responseCode: APPROVED, state, changed: false }
    default: {
      const decided = hook?.(request, state)
      return isPending(decided) ? decided.then((answer) => hookAnswer(answer, state)) : hookAnswer(decided, state)
    }
  }
}

function hookAnswer(decided: NetworkHookAnswer | undefined, state: SessionState): NetworkManagementAnswer {
  return { responseCode: INVALID_TRANSACTION, ...decided, state, changed: false }
}
