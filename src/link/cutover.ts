import type { Result } from '../authorization/result.ts'
import type { Message } from '../iso8583/message.ts'
import type { NetworkHookAnswer } from './session.ts'

/** A peer says that it closed its business day (0800 with DE70 201). */
export interface PeerCutover {
  readonly link: string
  readonly stan: string
  readonly transmission: string
  /** DE15, MMDD; undefined when the message has none. */
  readonly settlementDate: string | undefined
  readonly receivedAtMs: number
}

/** Takes note of a cutover, and resolves when that is durable; a repeat changes nothing. */
export type OnCutover = (cutover: PeerCutover) => Promise<void>

/** The answer to a cutover of the peer: approved once it is noted; never rejects. */
export async function cutoverAnswer(
  link: string,
  message: Message,
  receivedAtMs: number,
  codes: Readonly<Record<Result, string>>,
  onCutover: OnCutover,
): Promise<NetworkHookAnswer> {
  const stan = message.text(11)
  const transmission = message.text(7)
  if (stan === undefined || transmission === undefined) return { responseCode: codes['format-error'] }
  try {
    await onCutover({ link, stan, transmission, settlementDate: message.text(15), receivedAtMs })
    return { responseCode: codes.approved }
  } catch {
    return { responseCode: codes['internal-fault'] }
  }
}
