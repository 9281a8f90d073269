import type { Language } from '../notification/plural.ts'

/** A message for the one who sends it on as SMS. */
export interface OutboundMessage {
  /** The same for each repetition of a message, and never for another: who gets it twice sends it once. */
  readonly idempotencyKey: string
  /** Mobile number, `+201…`. */
  readonly to: string
  readonly text: string
  readonly language: Language
  readonly encoding: 'GSM-7' | 'UCS-2'
  readonly parts: number
  readonly template: string
  readonly createdAtMs: number
}

/** What came of a sending. Nothing in it holds a number or a text. */
export type SendResult =
  | { readonly kind: 'sent'; readonly reference?: string }
  /** The same message would be refused again. */
  | { readonly kind: 'refused'; readonly error: string }
  /** It may go through later; `afterMs` is what the provider asks for. */
  | { readonly kind: 'retry'; readonly error: string; readonly afterMs?: number }

/** A way to hand messages over. */
export interface NotificationAdapter {
  readonly name: string
  /** Hands a message over; does not throw for anything that a provider may do. */
  send(message: OutboundMessage): Promise<SendResult>
  close(): Promise<void>
}
