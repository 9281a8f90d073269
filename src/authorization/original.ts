import type { Decision, DecisionDraft, StoredAuthorization } from './decision.ts'

/** The original that a message names, when it is this card's. Named in the decision from here on. */
export function matchedOriginal(draft: DecisionDraft): StoredAuthorization | Decision {
  const { original, card } = draft.context
  if (original === undefined) return draft.decline('original-not-found', 'original.missing')
  if (original.cardId !== card?.id) return draft.decline('original-not-found', 'original.other-card')
  if (original.mti.startsWith('04')) return draft.decline('invalid-transaction', 'original.final', original.id)
  draft.set({ originalId: original.id })
  return original
}
