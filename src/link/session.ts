/** Whether a link may carry financial traffic. */
export type SessionState = 'signed-off' | 'signed-on'

/** DE70 codes the switch itself understands (interfaces.md, Messages); all others go to the hook. */
export const networkCodes = { signOn: '001', signOff: '002', echo: '301' } as const

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
}

/**
 * Decides DE70 codes beyond sign-on, sign-off and echo, such as 101 key exchange and 201 cutover.
 * @returns DE39, or undefined when the code is unknown to it too
 */
export type NetworkManagementHook = (request: NetworkManagementRequest, state: SessionState) => string | undefined

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
 * a code nobody knows; 30 when DE70 is absent. Pure: the caller sets the link's state and sends the answer.
 */
export function networkManagementAnswer(
  state: SessionState,
  request: NetworkManagementRequest,
  hook?: NetworkManagementHook,
): NetworkManagementAnswer {
  switch (request.de70) {
    case undefined:
      return answer(FORMAT_ERROR, state, state)
    case networkCodes.signOn:
      return answer(APPROVED, state, 'signed-on')
    case networkCodes.signOff:
      return answer(APPROVED, state, 'signed-off')
    case networkCodes.echo:
      return answer(APPROVED, state, state)
    default:
      return answer(hook?.(request, state) ?? INVALID_TRANSACTION, state, state)
  }
}

function answer(responseCode: string, before: SessionState, state: SessionState): NetworkManagementAnswer {
  return { responseCode, state, changed: before !== state }
}
