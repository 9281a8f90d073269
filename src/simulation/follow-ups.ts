import { completionOf, type Intent, reversalOf, transaction } from '../simulator/messages.ts'
import type { Chance } from './chance.ts'
import type { Wish } from './intents.ts'
import { type Asked, isApproved, type Sent } from './sent.ts'

/** Makes wishes of terminals that follow on what they sent before. */
export class FollowUps {
  readonly #chance: Chance

  constructor(chance: Chance) {
    this.#chance = chance
  }

  /** What may follow on a message: its reversal in whole or in part, a completion, a refund. */
  follow(original: Sent): Wish | undefined {
    const { kind } = original
    if (kind === 'hold' && isApproved(original.final?.code) && this.#chance.happens(0.6))
      return this.#completion(original)
    const isRefundable = ['purchase', 'bread', 'bread-days', 'ration', 'basket'].includes(kind)
    if (isRefundable && isApproved(original.final?.code) && this.#chance.happens(0.35)) return this.#refund(original)
    return this.reversal(original, this.#chance.happens(0.25))
  }

  /** The reversal of a message, whatever became of it. */
  reversal(original: Sent, isPartial = false): Wish | undefined {
    if (original.mti.startsWith('04')) return undefined
    const chance = this.#chance
    const mti = chance.happens(0.7) ? '0400' : '0420'
    const namesOriginal = chance.happens(0.8)
    const actual = Math.floor(original.amountPiasters * chance.next())
    const replacement = isPartial && actual > 0 ? { replacementPiasters: actual } : {}
    const { pin: _pin, ...kept } = original.intent
    const intent = reversalOf({ intent: kept, stamps: original.stamps }, { mti, namesOriginal, ...replacement })
    const { card, household, amountPiasters } = original
    const reversalKind = isPartial && actual > 0 ? 'partial-reversal' : 'reversal'
    const asked = {
      kind: reversalKind,
      card,
      household,
      amountPiasters,
      original,
      namesOriginal,
      ...replacement,
    } as const
    return { asked, intent: withoutElements(intent), acquirer: original.stamps.acquirer }
  }

  #completion(original: Sent): Wish {
    const over = this.#chance.happens(0.3)
    const share = over ? 1.4 : this.#chance.pick([1, 1, 0.5, 0.8])
    const amountPiasters = Math.max(1, Math.round(original.amountPiasters * share))
    const mti = this.#chance.happens(0.5) ? '0220' : '0200'
    const intent = completionOf({ intent: original.intent, stamps: original.stamps }, amountPiasters, mti)
    const { card, household } = original
    const kind = over ? 'completion-over' : 'completion'
    const asked: Asked = { kind, card, household, amountPiasters, original, namesOriginal: true }
    return { asked, intent, acquirer: original.stamps.acquirer }
  }

  #refund(original: Sent): Wish {
    const { card, household, intent: bought } = original
    const isCounted = original.quantity !== undefined
    const whole = isCounted || this.#chance.happens(0.5)
    const amountPiasters = whole ? original.amountPiasters : Math.max(1, Math.floor(original.amountPiasters / 3))
    const from = bought.processingCode.slice(2, 4)
    const { mti, stan, transmission, acquirer } = { mti: original.mti, ...original.stamps }
    const ask = { card: bought.card, terminal: bought.terminal, amountPiasters, from, to: from }
    const intent = transaction('refund', ask, {
      original: { mti, stan, transmission, acquirer },
      rrn: original.stamps.rrn,
    })
    return {
      asked: { kind: 'refund', card, household, amountPiasters, original, namesOriginal: true },
      intent,
      acquirer,
    }
  }
}

function withoutElements(intent: Intent): Intent {
  const { elements: _elements, override: _override, ...kept } = intent
  return kept
}
