import { describeError, MizanError } from '../errors.ts'
import type { Message } from '../iso8583/message.ts'
import type { OpenMessage, SendOutcome } from '../store/outbound-queue.ts'
import { type BackoffPolicy, backoffDelayMs } from './backoff.ts'
import { checkValueIn } from './key-exchange.ts'

/** What answers mean, and how often a message is sent. */
export interface ForwardPolicy {
  /** DE39 with which a message is done. */
  readonly acceptedCodes: readonly string[]
  /** With which a reversal is done besides: there was nothing to reverse. */
  readonly reversalAcceptedCodes: readonly string[]
  /** With which it is sent again; any other refuses it for good. */
  readonly retryCodes: readonly string[]
  /** Sendings without an answer that counts, after which a message is given up. */
  readonly maxAttempts: number
  readonly backoff: BackoffPolicy
}

/** When something is judged. */
export interface Moment {
  readonly nowMs: number
  /** From 0 to below 1. */
  readonly random: number
}

type Verdict = Omit<SendOutcome, 'id'>

/** What an authentic answer means for a message whose `tries`-th sending it answers. */
export function judgeAnswer(
  message: OpenMessage,
  tries: number,
  answer: Message,
  policy: ForwardPolicy,
  moment: Moment,
): Verdict {
  const code = answer.text(39)
  if (answer.failure !== undefined || code === undefined) {
    return again('put-off', 'the answer cannot be read, or has no DE39', tries, policy, moment)
  }
  if (isAccepted(message, code, policy)) {
    const fault = message.kind === 'key-exchange' ? keyFault(message, answer) : undefined
    if (fault !== undefined) return { state: 'dead', event: 'refused', code, error: fault }
    return { state: 'acknowledged', event: 'acknowledged', code }
  }
  if (policy.retryCodes.includes(code)) {
    return { ...again('put-off', `answered ${code}`, tries, policy, moment), code }
  }
  return { state: 'dead', event: 'refused', code, error: `answered ${code}` }
}

/** Whether an answer ends a message well, whatever the check value of a key. */
export function isAccepted({ kind }: Pick<OpenMessage, 'kind'>, code: string, policy: ForwardPolicy): boolean {
  if (policy.acceptedCodes.includes(code)) return true
  return kind === 'reversal' && policy.reversalAcceptedCodes.includes(code)
}

/** What it means that there was no answer. */
export function judgeFailure(tries: number, error: unknown, policy: ForwardPolicy, moment: Moment): Verdict {
  const code = error instanceof MizanError ? error.code : undefined
  const reason = describeError(error)
  // It can never be written in this dialect: sending it again would be the same again.
  if (code === 'CODEC_ENCODE_FAILED') return { state: 'dead', event: 'refused', error: reason }
  // A link that comes and goes says nothing of the message: it does not count towards giving up.
  if (code === 'LINK_CLOSED' || code === 'LINK_BUSY') {
    return { state: 'waiting', event: 'link-lost', error: reason, nextAtMs: moment.nowMs + policy.backoff.initialMs }
  }
  return again(code === 'LINK_TIMEOUT' ? 'timeout' : 'put-off', reason, tries, policy, moment)
}

function again(
  event: 'timeout' | 'put-off',
  reason: string,
  tries: number,
  { maxAttempts, backoff }: ForwardPolicy,
  { nowMs, random }: Moment,
): Verdict {
  if (tries >= maxAttempts) return { state: 'dead', event: 'given-up', error: `${tries} sendings, the last: ${reason}` }
  return { state: 'waiting', event, error: reason, nextAtMs: nowMs + backoffDelayMs(backoff, tries - 1, random) }
}

/** Only when the peer computed the key's own check value has it the key. */
function keyFault({ subject }: OpenMessage, answer: Message): string | undefined {
  const expected = subject?.split(' ').at(-1)
  const found = checkValueIn(answer)
  if (found === expected) return undefined
  return found === undefined
    ? 'the answer has no check value'
    : `the peer has a key of check value ${found.slice(0, 6)}`
}
